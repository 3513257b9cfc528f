// The pages of the two servers, by path.
#pragma once

#include "proxy/status/health.hpp"
#include "proxy/status/http_server.hpp"
#include "proxy/status/metrics.hpp"
#include "proxy/status/service_list.hpp"

#include <functional>
#include <map>
#include <string>

namespace proxy::status {

using Pages = std::map<std::string, HttpHandler, std::less<>>;

// A handler that answers GET and HEAD for these paths, else 404 or 405.
[[nodiscard]] HttpHandler handler_for(Pages pages);

// /healthz and /livez of the node, as kube-proxy answers them; each answer is counted. /readyz, and
// /ready for those who know it from CoreDNS: 200 once `ready`, before 503. Both references outlive
// the pages.
[[nodiscard]] Pages health_pages(const Health& health, Metrics& metrics,
                                 std::function<bool()> ready);

// What the metrics server shows: /metrics, /metrics/slis, /proxyMode, /configz, a /healthz that
// says that the server is there, the status page /status, and /status.json, from which it lives.
struct MetricsParts {
  std::string mode;
  std::string configz;                   // JSON
  std::function<std::string()> metrics;  // called for each scrape
  // Takes what to show and whom to tell the document, later.
  std::function<void(ServiceQuery, std::function<void(std::string)>)> status;
};
[[nodiscard]] Pages metrics_pages(MetricsParts parts);

}  // namespace proxy::status
