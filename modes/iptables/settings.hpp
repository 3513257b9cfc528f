// What an operator chooses about the iptables mode; fixed for the life of the process.
#pragma once

#include "modes/netfilter/local_detector.hpp"
#include "proxy/ip_address.hpp"
#include "proxy/node_ports.hpp"
#include "proxy/protocol.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace modes::iptables {

using proxy::Family;
using proxy::IpAddress;
using proxy::IpPrefix;

using netfilter::LocalByInterface;
using netfilter::LocalByNodePrefix;
using netfilter::LocalByPrefix;
using netfilter::LocalDetector;

struct Settings {
  LocalDetector local;
  bool masquerade_all = false;
  std::uint8_t masquerade_bit = 14;  // 0 to 31
  bool localhost_node_ports = true;
  proxy::NodePortAddresses node_port_addresses;  // where node ports answer
  // Only service ports of this protocol are forwarded: somebody else does the others. Health check
  // node ports are let in all the same.
  std::optional<proxy::Protocol> only = std::nullopt;

  [[nodiscard]] std::uint32_t masquerade_mark() const { return std::uint32_t{1} << masquerade_bit; }
};

// What this node is at the moment, as far as rules depend on it.
struct NodeFacts {
  std::vector<IpAddress> addresses;    // of all interfaces
  std::vector<IpAddress> primary_ips;  // of this node, at most one of each family
  std::vector<IpPrefix> pod_cidrs;     // of the Node object
  bool tcp_be_liberal = false;         // net.netfilter.nf_conntrack_tcp_be_liberal

  friend bool operator==(const NodeFacts&, const NodeFacts&) = default;
};

// How the ruleset is built: small clusters look exactly as kube-proxy's, large ones have fewer
// chains (docs/decisions/0002-layout-of-the-iptables-rules.md).
struct Layout {
  bool endpoint_chains = true;  // a KUBE-SEP- chain for every endpoint, with its hairpin rule

  friend bool operator==(const Layout&, const Layout&) = default;
};

}  // namespace modes::iptables
