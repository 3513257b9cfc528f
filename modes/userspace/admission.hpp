// Where nothing steers, nobody has decided yet who is inside and who may come: these do.
//
// Pure. The steering's rules (steering/chains.hpp) say the same to the kernel.
#pragma once

#include "modes/userspace/service.hpp"

#include <algorithm>

namespace modes::userspace {

[[nodiscard]] inline Entrance entrance_of(const Settings& settings, const IpAddress& client,
                                          const Vip& vip) {
  if (client.is_loopback() || client == vip.address) return Entrance::inside;
  const auto* by = std::get_if<LocalByPrefix>(&settings.local);
  const bool pod = by != nullptr && std::ranges::any_of(by->prefixes, [&](const IpPrefix& prefix) {
                     return prefix.contains(client);
                   });
  return pod ? Entrance::inside : Entrance::outside;
}

[[nodiscard]] inline bool admits(const Service& service, const Vip& vip, const IpAddress& client) {
  const auto* ranges = service.sources(vip);
  return ranges == nullptr || std::ranges::any_of(*ranges, [&](const IpPrefix& range) {
           return range.contains(client);
         });
}

}  // namespace modes::userspace
