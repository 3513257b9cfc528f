// What one service port makes this node hold in ipvs mode.
//
// Pure. One virtual server for each cluster IP, external IP and load-balancer IP, and for the node
// port one at each address of the node that serves node ports.
#pragma once

#include "modes/ipvs/settings.hpp"
#include "modes/ipvs/virtual_server.hpp"
#include "proxy/state/service_port.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace modes::ipvs {

// What becomes of a new connection to a VIP before IPVS sees it.
enum class Fate : std::uint8_t {
  cluster_ip,       // masquerade all but pods of this node
  external,         // masquerade
  local,            // the endpoint is on this node, it may see who the client is
  ranges_external,  // as external, but only for the ranges of sources that are allowed
  ranges_local,     // as local, likewise
  health,           // our own health check port: let in
};

// A source that may use a load-balancer IP.
struct AllowedSource {
  VirtualServerKey vip;
  IpPrefix source;
  friend auto operator<=>(const AllowedSource&, const AllowedSource&) = default;
  friend bool operator==(const AllowedSource&, const AllowedSource&) = default;
};

struct Forwarding {
  VirtualServers servers;
  std::set<IpAddress> addresses;          // to be on kube-ipvs0
  std::set<IpAddress> silent;             // of these, those that ARP must not answer for
  std::map<VirtualServerKey, Fate> vips;  // of cluster, external and load-balancer IPs
  std::map<std::pair<Protocol, Port>, Fate> node_ports;  // and the health check's port
  std::set<AllowedSource> sources;
  std::string complaint;  // about the service's annotation; empty: none
};

// The node's addresses that node ports of one family are served on: sorted, no loopback ones.
[[nodiscard]] std::vector<IpAddress> node_port_addresses(Family family, const Settings& settings,
                                                         const NodeFacts& node);

[[nodiscard]] Forwarding forwarding_of(const proxy::state::ServicePortName& name,
                                       const proxy::state::ServicePort& port,
                                       const Settings& settings, const NodeFacts& node);

}  // namespace modes::ipvs
