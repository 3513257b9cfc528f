#include "proxy/status/pages.hpp"

#include "proxy/status/page/status_page.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace proxy::status {
namespace {

HttpReply health_reply(HealthReply health) {
  return {.status = health.good ? 200U : 503U,
          .content_type = "application/json",
          .body = std::move(health.body),
          .headers = {{"X-Content-Type-Options", "nosniff"}}};
}

// Nothing before the first check, as there.
std::string slis_text(std::uint64_t pings) {
  if (pings == 0) return {};
  return "# TYPE kubernetes_healthcheck gauge\n"
         "kubernetes_healthcheck{name=\"ping\",type=\"healthz\"} 1\n"
         "# TYPE kubernetes_healthchecks_total counter\n"
         "kubernetes_healthchecks_total{name=\"ping\",status=\"success\",type=\"healthz\"} " +
         std::to_string(pings) + "\n";
}

}  // namespace

HttpHandler handler_for(Pages pages) {
  return [pages = std::move(pages)](const HttpRequest& request) -> HttpReply {
    const auto page = pages.find(request.path);
    if (page == pages.end()) return {.status = 404, .body = "no such page\n"};
    if (request.method != "GET" && request.method != "HEAD") {
      return {.status = 405, .body = "only GET\n", .headers = {{"Allow", "GET, HEAD"}}};
    }
    return page->second(request);
  };
}

Pages health_pages(const Health& health, Metrics& metrics, std::function<bool()> ready) {
  const auto ready_page = [ready = std::move(ready)](const HttpRequest&) {
    return ready() ? HttpReply{.body = "OK"}
                   : HttpReply{.status = 503, .body = "no full list of records yet\n"};
  };
  return {{"/readyz", ready_page},
          {"/ready", ready_page},
          {"/healthz",
           [&health, &metrics](const HttpRequest&) {
             auto reply = health_reply(health.healthz(Moment::now()));
             metrics.answered_healthz(reply.status);
             return reply;
           }},
          {"/livez", [&health, &metrics](const HttpRequest&) {
             auto reply = health_reply(health.livez(Moment::now()));
             metrics.answered_livez(reply.status);
             return reply;
           }}};
}

Pages metrics_pages(MetricsParts parts) {
  const auto in_text_format = [](std::string body) {
    return HttpReply{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                     .body = std::move(body)};
  };
  auto pings = std::make_shared<std::uint64_t>(0);  // answers of /healthz
  return {{"/healthz",
           [pings](const HttpRequest&) {
             ++*pings;
             return HttpReply{.body = "ok"};
           }},
          {"/proxyMode",
           [mode = std::move(parts.mode)](const HttpRequest&) { return HttpReply{.body = mode}; }},
          {"/configz",
           [configz = std::move(parts.configz)](const HttpRequest&) {
             return HttpReply{.content_type = "application/json",
                              .body = configz,
                              .headers = {{"X-Content-Type-Options", "nosniff"}}};
           }},
          {"/status", [page = status_page()](const HttpRequest&) { return page; }},
          {"/status.json",
           [status = std::move(parts.status)](const HttpRequest& request) {
             return HttpReply{
                 .content_type = "application/json",
                 .body = status(service_query_of_url(request.query)),
                 .headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}}};
           }},
          // Of the health checks of this server; Kubernetes' components have these two metrics.
          {"/metrics/slis", [pings, in_text_format](
                                const HttpRequest&) { return in_text_format(slis_text(*pings)); }},
          {"/metrics", [text = std::move(parts.metrics), in_text_format](const HttpRequest&) {
             return in_text_format(text());
           }}};
}

}  // namespace proxy::status
