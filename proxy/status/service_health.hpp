// Answers load balancers on the health check node ports of Services
// ("serviceHealthCheck" in tests/conformance/healthcheck.yaml): how many of a Service's endpoints
// are on this node.
//
// What is answered is what is in force: counts are taken when a sync begins and shown when it has
// succeeded.
#pragma once

#include "proxy/log.hpp"
#include "proxy/node_ports.hpp"
#include "proxy/records/objects.hpp"
#include "proxy/state/health_checks.hpp"
#include "proxy/state/service_table.hpp"
#include "proxy/status/http_server.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace proxy::status {

// The reply to any request on a Service's health check port.
[[nodiscard]] HttpReply service_health_reply(const records::ObjectName& service,
                                             std::size_t local_endpoints, bool proxy_healthy);

// Where the health checks of a family are served, by --nodeport-addresses: the unspecified address
// if node ports are served everywhere or nothing of this family is among the ranges, else those of
// the node's addresses that are. `primary`: the node's primary addresses.
[[nodiscard]] std::vector<IpAddress> health_check_addresses(const NodePortAddresses& wanted,
                                                            Family family,
                                                            std::span<const IpAddress> local,
                                                            std::span<const IpAddress> primary);

struct ServiceHealthParts {
  boost::asio::any_io_executor executor;
  Log& log;
  NodePortAddresses addresses;
  std::function<std::vector<IpAddress>()> local_addresses;
  std::function<bool()> proxy_healthy;
};

class ServiceHealth {
 public:
  explicit ServiceHealth(ServiceHealthParts parts);
  ~ServiceHealth();  // as stop()
  ServiceHealth(const ServiceHealth&) = delete;
  ServiceHealth& operator=(const ServiceHealth&) = delete;

  // A sync begins, which writes what the table holds now.
  void began(state::ServiceTable& table);
  // It succeeded: opens, moves and closes ports, and shows the new counts. A port that cannot be
  // opened is said once, and tried again at each later call; others are not affected.
  void written();

  // Closes every port.
  void stop();

  // Services whose port could not be opened, and why.
  [[nodiscard]] std::map<records::ObjectName, std::string> failures() const;

 private:
  struct Served;

  void show(const records::ObjectName& service, const std::optional<state::HealthCheck>& check);
  [[nodiscard]] Result<void> open(const records::ObjectName& service, Served& served);

  ServiceHealthParts parts_;
  std::vector<IpAddress> primary_;  // of this node, as the last sync knew it
  // By Service: what the sync that is going on writes; nullopt for one that is gone.
  std::map<records::ObjectName, std::optional<state::HealthCheck>> writing_;
  std::map<records::ObjectName, std::unique_ptr<Served>> served_;
};

}  // namespace proxy::status
