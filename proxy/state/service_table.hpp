// The desired forwarding of this node, kept up to date from the stream of records.
//
// Pure: no socket, clock or log. Keeps of the records what forwarding depends on, and the
// ServicePorts computed from them. A change costs what it touches: one service's slices, and those
// it competes with for a VIP, never all services (only a change of this node's zone looks at all,
// and computes those anew that have zone hints).
//
// What the table holds depends on the records alone, not on the order in which they came. No two
// service ports of it have the same VIP or node port (vip_claims.hpp says who gets it).
#pragma once

#include "proxy/sources/source.hpp"
#include "proxy/state/health_checks.hpp"
#include "proxy/state/service_port.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace proxy::state {

// What this node is; everything here is fixed for the life of the table.
struct NodeIdentity {
  std::string name;  // of the Node object, and of endpoints that are local
  // --bind-address: this node's primary address in its family; unspecified: the Node object says it
  IpAddress bind_address = {};
};

class ServiceTable {
 public:
  explicit ServiceTable(NodeIdentity node);
  ~ServiceTable();
  ServiceTable(const ServiceTable&) = delete;
  ServiceTable& operator=(const ServiceTable&) = delete;

  // The same stream as sources::Sink has. Kinds that forwarding does not need are ignored.
  void replace(std::vector<records::Record> all);
  void change(const std::vector<sources::Change>& changes);

  // Null if no such service port is to be forwarded. Valid until the next replace() or change().
  [[nodiscard]] const ServicePort* find(const ServicePortName& name) const;
  // In the order of their names. `visit` must not change the table.
  void for_each(const std::function<void(const ServicePortName&, const ServicePort&)>& visit) const;
  [[nodiscard]] std::size_t size() const;            // service ports, both families
  [[nodiscard]] std::size_t endpoint_count() const;  // sum of serving endpoints over all of them

  // This node's own Node object, null until one was seen; the last one seen after it was removed,
  // as kube-proxy goes on by it.
  [[nodiscard]] const records::Node* node() const;
  // This node's primary addresses, at most one of each family (proxy/node_ports.hpp).
  [[nodiscard]] std::vector<IpAddress> primary_ips() const;

  // The service ports that were added, changed or removed since the last call; each once, in order.
  // A service port that changed and changed back may be among them.
  [[nodiscard]] std::vector<ServicePortName> take_changes();

  // The health checks to be answered for load balancers, and the Services for which they appeared,
  // changed or went since the last call (each once, in order; it may be one that changed back).
  [[nodiscard]] const std::map<records::ObjectName, HealthCheck>& health_checks() const;
  [[nodiscard]] std::vector<records::ObjectName> take_health_check_changes();

  // Records that were accepted although something in them can't be forwarded (a duplicate
  // port, a VIP that another Service has): object and reason, for `viaduct check` and status.
  [[nodiscard]] std::vector<sources::Problem> remarks() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace proxy::state
