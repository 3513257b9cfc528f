// What load balancers ask a node for about Services whose external traffic policy is Local: how
// many endpoints it has.
//
// Pure data, per Service and not per port; the server that answers is elsewhere. Kubernetes:
// "Source IP for Services with Type=LoadBalancer", spec.healthCheckNodePort.
#pragma once

#include "proxy/state/endpoint_merge.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <span>

namespace proxy::state {

struct HealthCheck {
  Port port;  // TCP; a server per family
  // Per family, indexed by Family: local_ready_addresses(), or nullopt if the Service has no
  // cluster IP of that family and so no server there.
  std::array<std::optional<std::size_t>, kFamilies.size()> local_endpoints{};

  [[nodiscard]] std::optional<std::size_t> of(Family family) const {
    return local_endpoints[static_cast<std::size_t>(family)];
  }
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

// The number of different addresses among the ready endpoints on this node, over all ports that the
// slices have, also those that no port of the Service uses. One that terminates does not count:
// load balancers shall send no more traffic here, though what comes is still served.
[[nodiscard]] std::size_t local_ready_addresses(std::span<const KnownSlice> slices, Family family);

}  // namespace proxy::state
