// Chooses which endpoints of a service port this node may send traffic to.
//
// Pure. Follows Kubernetes' traffic policies and topology hints ("Virtual IPs and Service Proxies",
// "Topology Aware Routing", "Traffic distribution"): ready endpoints; if there is none, those that
// are serving while they terminate, and this separately for the policies Cluster and Local. Hints
// narrow Cluster only, and only among ready endpoints.
#pragma once

#include "proxy/state/endpoint_merge.hpp"
#include "proxy/state/service_port.hpp"

#include <span>
#include <string_view>

namespace proxy::state {

// Fills in the endpoint lists and has_any_endpoint of `port` by its policies and VIPs, which are
// read. `zone` is this node's, empty if it has none. `endpoints` as merge_endpoints() returns them.
void choose_endpoints(ServicePort& port, std::span<const Candidate> endpoints,
                      std::string_view zone);

}  // namespace proxy::state
