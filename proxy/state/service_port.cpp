#include "proxy/state/service_port.hpp"

namespace proxy::state {

std::string ServicePortName::text() const {
  auto text = service.text();
  if (!port.empty()) text += ":" + port;
  return text;
}

bool ServicePort::externally_accessible() const {
  return node_port || !load_balancer_ips.empty() || !external_ips.empty();
}

// Cluster endpoints also serve pods and the node itself when they use an external VIP of a service
// whose external policy is Local (the short-circuit), so only a service that is Local inside and
// has no external VIP never uses them.
bool ServicePort::uses_cluster_endpoints() const {
  return internal_policy == TrafficPolicy::cluster || externally_accessible();
}

bool ServicePort::uses_local_endpoints() const {
  return internal_policy == TrafficPolicy::local ||
         (external_policy == TrafficPolicy::local && externally_accessible());
}

const EndpointList& ServicePort::internal_endpoints() const {
  return internal_policy == TrafficPolicy::local ? local_endpoints : cluster_endpoints;
}

const EndpointList& ServicePort::external_endpoints() const {
  return external_policy == TrafficPolicy::local ? local_endpoints : cluster_endpoints;
}

bool ServicePort::has_reachable_endpoint() const {
  return !cluster_endpoints.empty() || !local_endpoints.empty();
}

}  // namespace proxy::state
