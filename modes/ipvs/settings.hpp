// What an operator chooses about the ipvs mode; fixed for the life of the process.
#pragma once

#include "modes/iptables/settings.hpp"
#include "modes/ipvs/scheduler.hpp"
#include "proxy/ip_address.hpp"
#include "proxy/node_ports.hpp"

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
  std::uint8_t masquerade_bit = 14;
  proxy::NodePortAddresses node_port_addresses;  // where node ports answer

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
  std::vector<IpAddress> addresses;    // of all links but kube-ipvs0, sorted
  std::vector<IpAddress> primary_ips;  // of this node, at most one of each family
  std::vector<IpPrefix> pod_cidrs;     // of the Node object

  friend bool operator==(const NodeFacts&, const NodeFacts&) = default;
};

}  // namespace modes::ipvs
