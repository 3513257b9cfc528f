// What an operator chooses about the ipvs mode; fixed for the life of the process.
#pragma once

#include "modes/iptables/settings.hpp"
#include "modes/ipvs/scheduler.hpp"
#include "proxy/ip_address.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

namespace modes::ipvs {

using iptables::LocalDetector;
using proxy::Family;
using proxy::IpAddress;
using proxy::IpPrefix;

struct Settings {
  LocalDetector local;
  bool masquerade_all = false;
  std::uint8_t masquerade_bit = 14;  // 0 to 31
  // Node ports are served on all addresses of the node, or only those within these prefixes; with
  // `node_ports_on_primary` on the InternalIPs of the Node object.
  std::vector<IpPrefix> node_port_ranges;
  bool node_ports_on_primary = false;

  Scheduler scheduler;                  // of services that name none
  std::vector<IpPrefix> exclude_cidrs;  // virtual servers there are somebody else's
  bool strict_arp = false;
  // Of connections in IPVS; 0 leaves the kernel's as it is.
  std::chrono::seconds tcp_timeout{0};
  std::chrono::seconds tcp_fin_timeout{0};
  std::chrono::seconds udp_timeout{0};
  // How long a real server that is not wanted any more may keep its connections; 0: for ever.
  std::chrono::seconds drain_limit = std::chrono::hours{24};

  [[nodiscard]] std::uint32_t masquerade_mark() const { return std::uint32_t{1} << masquerade_bit; }
};

// What this node is at the moment, as far as forwarding depends on it.
struct NodeFacts {
  std::vector<IpAddress> addresses;     // of all links but kube-ipvs0, sorted
  std::vector<IpAddress> internal_ips;  // of the Node object
  std::vector<IpPrefix> pod_cidrs;      // of the Node object

  friend bool operator==(const NodeFacts&, const NodeFacts&) = default;
};

}  // namespace modes::ipvs
