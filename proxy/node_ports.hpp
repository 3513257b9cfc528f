// Which of a node's addresses are its primary ones, and which serve node ports.
//
// Pure. kube-proxy's rules (--bind-address, --nodeport-addresses); every mode, the health checks of
// services and `viaduct explain` go by them.
#pragma once

#include "proxy/ip_address.hpp"

#include <span>
#include <vector>

namespace proxy {

// At most one of each family, IPv4 first: `bound`, if it is a specified address, else the first of
// `addresses`, which are those of the Node object in its order, InternalIPs before ExternalIPs.
[[nodiscard]] std::vector<IpAddress> primary_addresses(std::span<const IpAddress> addresses,
                                                       const IpAddress& bound);

// What --nodeport-addresses asks for.
struct NodePortAddresses {
  bool primary = false;  // the node's primary addresses
  // ::1 too, in modes that can. kube-proxy never serves it, whatever ranges are given, so it needs
  // words that kube-proxy has not: localhost, all.
  bool loopback_v6 = false;
  std::vector<IpPrefix> ranges;  // its addresses within these

  // The ranges that limit node ports in one family, where `primaries` are the node's primary
  // addresses. Empty: no limit, every address serves them; so it is where nothing of this family is
  // asked for, or known of, and where a range holds every address.
  [[nodiscard]] std::vector<IpPrefix> limits(Family family,
                                             std::span<const IpAddress> primaries) const;
  friend bool operator==(const NodePortAddresses&, const NodePortAddresses&) = default;
};

}  // namespace proxy
