// The fixed part of our private table: chains whose number does not depend on the services.
//
// Pure. A packet meets us at four points; at each the fate of its VIP (elements.hpp) is looked up
// and the chain of that fate finds out who sent it:
//
//   prerouting, mangle   refuses what is to be refused; UDP: TPROXY to our sockets
//   prerouting, dstnat   TCP: translated to our sockets' port on an address of this node
//   output, mangle       refuses; UDP: marked, so that it comes back by way of lo to prerouting
//   output, dstnat       TCP: redirected to our sockets' port on loopback
#pragma once

#include "modes/netfilter/private_table.hpp"
#include "modes/userspace/settings.hpp"

#include <array>
#include <optional>
#include <vector>

namespace modes::userspace::steering {

inline constexpr const char* kTable = "viaduct";
inline constexpr const char* kSecondTable = "viaduct-2";

// The ports of our own sockets in one family, by Entrance.
struct Ports {
  std::array<Port, kEntrances> tcp{};
  std::array<Port, kEntrances> udp{};
  friend bool operator==(const Ports&, const Ports&) = default;
};

// What the chains depend on beside the settings.
struct Facts {
  Ports ports;
  // Where TCP from elsewhere is translated to: an address of this node, nullopt if it has none of
  // the family, so that nobody from elsewhere can come.
  std::optional<IpAddress> node_address;
  std::vector<IpAddress> primary_ips;  // of this node, at most one of each family
  std::vector<IpPrefix> pod_cidrs;     // of the Node object
  friend bool operator==(const Facts&, const Facts&) = default;
};

struct FixedPart {
  std::vector<netfilter::SetLayout> sets;
  std::vector<netfilter::NativeChain> chains;
};

[[nodiscard]] FixedPart fixed_part(Family family, const Settings& settings, const Facts& facts);

}  // namespace modes::userspace::steering
