#include "proxy/node_ports.hpp"

#include <algorithm>

namespace proxy {

std::vector<IpAddress> primary_addresses(std::span<const IpAddress> addresses,
                                         const IpAddress& bound) {
  std::vector<IpAddress> primaries;
  for (const auto family : kFamilies) {
    const auto first = std::ranges::find(addresses, family, &IpAddress::family);
    if (bound.family() == family && !bound.is_unspecified()) {
      primaries.push_back(bound);
    } else if (first != addresses.end()) {
      primaries.push_back(*first);
    }
  }
  return primaries;
}

std::vector<IpPrefix> NodePortAddresses::limits(Family family,
                                                std::span<const IpAddress> primaries) const {
  std::vector<IpPrefix> limits;
  if (primary) {
    for (const auto& address : primaries) {
      if (address.family() == family) limits.push_back(IpPrefix::host(address));
    }
  }
  for (const auto& range : ranges) {
    if (range.family() != family) continue;
    if (range.length == 0) return {};
    limits.push_back(range);
  }
  return limits;
}

}  // namespace proxy
