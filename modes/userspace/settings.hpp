// What an operator chooses about the userspace mode; fixed for the life of the process.
#pragma once

#include "modes/netfilter/local_detector.hpp"
#include "proxy/ip_address.hpp"
#include "proxy/node_ports.hpp"
#include "proxy/protocol.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace modes::userspace {

using proxy::Family;
using proxy::IpAddress;
using proxy::IpPrefix;
using proxy::Port;
using proxy::Protocol;

// How connections come to us.
enum class Listen : std::uint8_t {
  steered,  // nf_tables bring what is for any VIP to our sockets: needs CAP_NET_ADMIN
  direct,   // we listen on the VIPs that are addresses of this machine: needs nothing
};

// Which endpoint a connection gets when no session affinity has decided.
enum class Balance : std::uint8_t { round_robin, least_connections };

using netfilter::LocalByInterface;
using netfilter::LocalByNodePrefix;
using netfilter::LocalByPrefix;
using netfilter::LocalDetector;

struct Settings {
  Listen listen = Listen::steered;
  bool transparent = false;  // endpoints see the client's address where kernel modes would keep it
  Balance balance = Balance::round_robin;
  std::size_t workers = 1;  // threads, each with its own sockets

  LocalDetector local;
  bool masquerade_all = false;
  bool localhost_node_ports = true;  // node ports answer on 127.0.0.0/8; on ::1 if it is asked for
  proxy::NodePortAddresses node_port_addresses;

  std::chrono::seconds udp_idle{60};
  std::chrono::seconds drain{30};  // how long connections may go on after the end was asked for
};

// The bits of the packet mark that we use; between Kubernetes' 0xc000 and what CNIs have (Cilium
// 0x0f00, Calico 0xffff0000).
inline constexpr std::uint32_t kSteeredMark = 0x1000;  // to be delivered here, whatever its address
inline constexpr std::uint32_t kOwnMark = 0x2000;      // sent by us: never steered again

// By which of its sockets a connection reached us: what the kernel found out about its sender. The
// value is an index.
enum class Entrance : std::uint8_t {
  inside,   // pods of this node: as to the cluster IP, and endpoints may see who they are
  masked,   // the same, but endpoints see the node
  outside,  // by the external traffic policy; endpoints may see who they are
};
inline constexpr std::size_t kEntrances = 3;

}  // namespace modes::userspace
