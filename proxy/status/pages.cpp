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
  return [pages = std::move(pages)](const HttpRequest& request, HttpRespond respond) {
    const auto page = pages.find(request.path);
    if (page == pages.end()) return respond({.status = 404, .body = "no such page\n"});
    if (request.method != "GET" && request.method != "HEAD") {
      return respond({.status = 405, .body = "only GET\n", .headers = {{"Allow", "GET, HEAD"}}});
    }
    page->second(request, std::move(respond));
  };
}

Pages health_pages(const Health& health, Metrics& metrics, std::function<bool()> ready) {
  const auto ready_page = replying([ready = std::move(ready)](const HttpRequest&) {
    return ready() ? HttpReply{.body = "OK"}
                   : HttpReply{.status = 503, .body = "no full list of records yet\n"};
  });
  return {{"/readyz", ready_page},
          {"/ready", ready_page},
          {"/healthz", replying([&health, &metrics](const HttpRequest&) {
             auto reply = health_reply(health.healthz(Moment::now()));
             metrics.answered_healthz(reply.status);
             return reply;
           })},
          {"/livez", replying([&health, &metrics](const HttpRequest&) {
             auto reply = health_reply(health.livez(Moment::now()));
             metrics.answered_livez(reply.status);
             return reply;
           })}};
}

Pages metrics_pages(MetricsParts parts) {
  const auto in_text_format = [](std::string body) {
    return HttpReply{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                     .body = std::move(body)};
  };
  auto pings = std::make_shared<std::uint64_t>(0);  // answers of /healthz
  Pages pages;
  pages["/healthz"] = replying([pings](const HttpRequest&) {
    ++*pings;
    return HttpReply{.body = "ok"};
  });
  pages["/proxyMode"] = replying(
      [mode = std::move(parts.mode)](const HttpRequest&) { return HttpReply{.body = mode}; });
  pages["/configz"] = replying([configz = std::move(parts.configz)](const HttpRequest&) {
    return HttpReply{.content_type = "application/json",
                     .body = configz,
                     .headers = {{"X-Content-Type-Options", "nosniff"}}};
  });
  pages["/status"] = replying([page = status_page()](const HttpRequest&) { return page; });
  pages["/status.json"] = [status = std::move(parts.status)](const HttpRequest& request,
                                                             HttpRespond respond) {
    status(service_query_of_url(request.query), [respond = std::move(respond)](std::string body) {
      respond({.content_type = "application/json",
               .body = std::move(body),
               .headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}}});
    });
  };
  // Of the health checks of this server; Kubernetes' components have these two metrics.
  pages["/metrics/slis"] = replying(
      [pings, in_text_format](const HttpRequest&) { return in_text_format(slis_text(*pings)); });
  pages["/metrics"] = replying([text = std::move(parts.metrics), in_text_format](
                                   const HttpRequest&) { return in_text_format(text()); });
  return pages;
}

}  // namespace proxy::status
