#include "proxy/state/health_checks.hpp"

#include <algorithm>

namespace proxy::state {

std::size_t local_ready_addresses(std::span<const KnownSlice> slices, Family family) {
  std::vector<IpAddress> addresses;
  for (const auto& slice : slices) {
    if (slice.family != family || slice.ports.empty()) continue;
    for (const auto& endpoint : slice.endpoints) {
      if (endpoint.local && endpoint.ready) addresses.push_back(endpoint.address);
    }
  }
  std::ranges::sort(addresses);
  const auto rest = std::ranges::unique(addresses);
  return addresses.size() - rest.size();
}

}  // namespace proxy::state
