// Virtual and real servers as the kernel's IPVS holds them: plain data.
#pragma once

#include "modes/ipvs/scheduler.hpp"
#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"
#include "proxy/state/endpoint_list.hpp"

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace modes::ipvs {

using proxy::IpAddress;
using proxy::Port;
using proxy::Protocol;
using proxy::state::Endpoint;

struct VirtualServerKey {
  IpAddress address;
  Port port;
  Protocol protocol = Protocol::tcp;

  [[nodiscard]] std::string text() const {  // "10.96.0.1:80/TCP"
    return Endpoint{address, port}.text() + "/" + std::string{upper_name(protocol)};
  }
  friend auto operator<=>(const VirtualServerKey&, const VirtualServerKey&) = default;
  friend bool operator==(const VirtualServerKey&, const VirtualServerKey&) = default;
};

struct RealServer {
  Endpoint endpoint;
  std::uint32_t weight = 1;
  bool masqueraded = true;  // forwarding method NAT; false: one that we never use

  friend bool operator==(const RealServer&, const RealServer&) = default;
};

struct VirtualServer {
  Scheduler scheduler;
  std::chrono::seconds persistence{0};   // 0: none
  std::vector<RealServer> real_servers;  // sorted by endpoint, each once

  friend bool operator==(const VirtualServer&, const VirtualServer&) = default;
};

using VirtualServers = std::map<VirtualServerKey, VirtualServer>;

}  // namespace modes::ipvs
