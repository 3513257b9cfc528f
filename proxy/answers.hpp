// What a running daemon is asked, by the admin socket, the status page and scrapes, and what it
// answers. Asking changes nothing.
#pragma once

#include "modes/mode.hpp"
#include "proxy/config/config.hpp"
#include "proxy/environment/environment.hpp"
#include "proxy/explain/explain.hpp"
#include "proxy/name_service.hpp"
#include "proxy/status/admin_protocol.hpp"
#include "proxy/status/health.hpp"
#include "proxy/status/metrics.hpp"
#include "proxy/status/reporter.hpp"
#include "proxy/status/service_health.hpp"
#include "proxy/status/service_list.hpp"
#include "proxy/status/traffic_look.hpp"
#include "proxy/sync/intake.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace proxy {

class Answers {
 public:
  // The daemon's parts; all outlive this.
  struct Parts {
    boost::asio::any_io_executor executor;
    const std::string& version;
    const config::Config& config;
    status::Moment started;
    const state::ServiceTable& table;
    const environment::Environment& environment;
    const sync::Intake& intake;
    const bool& records_are_complete;
    const status::Health& health;
    const status::Metrics& metrics;
    const status::Reporter& reporter;
    const status::ServiceHealth& service_health;
    const std::map<std::string, std::string>& listening;
    // Null until they have started; the name service also where nothing is to be served.
    const std::unique_ptr<modes::Mode>& mode;
    const std::unique_ptr<NameService>& names;
  };
  explicit Answers(Parts parts);

  // "status", "explain", "env", "dns" and "query".
  [[nodiscard]] status::AdminCommands admin_commands();
  [[nodiscard]] std::string metrics() const;  // Prometheus' text format
  // JSON, when the traffic of the services that are shown has been read.
  void status(status::ServiceQuery services, std::function<void(std::string)> reply);

 private:
  static modes::Awaitable<std::string> status_document(Answers& self,
                                                       status::ServiceQuery services);
  static modes::Awaitable<std::vector<modes::Traffic>> read_traffic(
      Answers& self, std::span<const state::ServicePortName> names);
  [[nodiscard]] std::string dns() const;
  void query(const status::AdminRequest& request, status::AdminReply reply);
  [[nodiscard]] std::string environment(const status::AdminRequest& request) const;
  [[nodiscard]] std::string explanation(const status::AdminRequest& request) const;
  [[nodiscard]] explain::NodeView node_view() const;

  Parts parts_;
  status::TrafficLook traffic_;
};

}  // namespace proxy
