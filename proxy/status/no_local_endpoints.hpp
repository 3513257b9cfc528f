// How many service ports have traffic of policy Local and no endpoint on this node for it, while
// there are endpoints elsewhere: kubeproxy_sync_proxy_rules_no_local_endpoints_total.
#pragma once

#include "proxy/state/service_port.hpp"

#include <array>
#include <cstddef>

namespace proxy::status {

struct NoLocalEndpoints {
  struct Count {
    std::size_t internal = 0;
    std::size_t external = 0;
  };
  std::array<Count, 2> of_family;  // index: the value of Family

  void add(Family family, const state::ServicePort& port) {
    if (!port.local_endpoints.empty() || !port.has_any_endpoint) return;
    auto& count = of_family[static_cast<std::size_t>(family)];
    if (port.internal_policy == state::TrafficPolicy::local) ++count.internal;
    if (port.external_policy == state::TrafficPolicy::local && port.externally_accessible()) {
      ++count.external;
    }
  }
};

}  // namespace proxy::status
