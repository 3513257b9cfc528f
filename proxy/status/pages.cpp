#include "proxy/status/pages.hpp"

#include <utility>

namespace proxy::status {
namespace {

HttpReply health_reply(HealthReply health) {
  return {.status = health.good ? 200U : 503U,
          .content_type = "application/json",
          .body = std::move(health.body),
          .headers = {{"X-Content-Type-Options", "nosniff"}}};
}

}  // namespace

HttpHandler handler_for(Pages pages) {
  return [pages = std::move(pages)](const HttpRequest& request) -> HttpReply {
    const auto page = pages.find(request.path);
    if (page == pages.end()) return {.status = 404, .body = "no such page\n"};
    if (request.method != "GET" && request.method != "HEAD") {
      return {.status = 405, .body = "only GET\n", .headers = {{"Allow", "GET, HEAD"}}};
    }
    return page->second();
  };
}

Pages health_pages(const Health& health, Metrics& metrics, std::function<bool()> ready) {
  const auto ready_page = [ready = std::move(ready)] {
    return ready() ? HttpReply{.body = "OK"}
                   : HttpReply{.status = 503, .body = "no full list of records yet\n"};
  };
  return {{"/readyz", ready_page},
          {"/ready", ready_page},
          {"/healthz",
           [&health, &metrics] {
             auto reply = health_reply(health.healthz(Moment::now()));
             metrics.answered_healthz(reply.status);
             return reply;
           }},
          {"/livez", [&health, &metrics] {
             auto reply = health_reply(health.livez(Moment::now()));
             metrics.answered_livez(reply.status);
             return reply;
           }}};
}

Pages metrics_pages(std::string mode, std::function<std::string()> text) {
  return {{"/healthz", [] { return HttpReply{.body = "ok"}; }},
          {"/proxyMode", [mode = std::move(mode)] { return HttpReply{.body = mode}; }},
          {"/metrics", [text = std::move(text)] {
             return HttpReply{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                              .body = text()};
           }}};
}

}  // namespace proxy::status
