// What packets are dispatched by: an address, protocol and port, as a string of bits whose prefixes
// are what iptables can match with one rule.
//
// "-d 10.96.0.0/12", "-d 10.96.0.10/32 -p tcp" and "-p udp --dport 30208:30463" are all prefixes of
// address (32 or 128 bits) · protocol (8) · port (16), or, for node ports, of protocol · port.
#pragma once

#include "modes/netfilter/rule.hpp"
#include "modes/netfilter/transaction.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace modes::iptables {

using netfilter::ChainName;
using netfilter::OwnerId;
using proxy::Family;
using proxy::IpAddress;
using proxy::Port;
using proxy::Protocol;

// Big-endian bits; those behind the end are zero.
class DispatchKey {
 public:
  DispatchKey() = default;
  static DispatchKey of(const IpAddress& address, Protocol protocol, Port port);
  static DispatchKey of_port(Protocol protocol, Port port);  // a node port, on any address

  [[nodiscard]] unsigned bits() const { return size_ * 8U; }
  [[nodiscard]] DispatchKey prefix(unsigned bits) const;  // same size, bits behind cleared
  // What matches every key that begins with the first `bits` bits of this one.
  [[nodiscard]] netfilter::Rule match(unsigned bits) const;
  // The first `bits` bits as upper-case hexadecimal digits. Requires bits % 4 == 0.
  [[nodiscard]] std::string hex(unsigned bits) const;

  friend auto operator<=>(const DispatchKey&, const DispatchKey&) = default;
  friend bool operator==(const DispatchKey&, const DispatchKey&) = default;

 private:
  [[nodiscard]] unsigned address_bits() const { return bits() - 24; }

  std::array<std::uint8_t, 19> bytes_{};  // 16 of address, protocol, port
  std::uint8_t size_ = 0;                 // 3, 7 or 19
};

// What the packet meets at its key, and the words of the rule's comment behind the service's name.
enum class DispatchVerdict : std::uint8_t { jump, reject, drop, accept };
enum class DispatchNote : std::uint8_t {
  none,
  cluster_ip,
  external_ip,
  load_balancer_ip,
  no_endpoints,
  no_local_endpoints,
  not_accepted,  // by the chain `to`
  health_check,
};

struct DispatchEntry {
  OwnerId owner = 0;
  DispatchVerdict verdict = DispatchVerdict::jump;
  DispatchNote note = DispatchNote::none;
  ChainName to;  // jump: the chain; not_accepted: the one the comment names; else of the service

  friend bool operator==(const DispatchEntry&, const DispatchEntry&) = default;
};

// The trees, one for each chain that dispatches (per family).
enum class Dispatch : std::uint8_t {
  nat_services,         // nat KUBE-SERVICES, by VIP
  nat_node_ports,       // nat KUBE-NODEPORTS
  filter_services,      // filter KUBE-SERVICES: cluster IPs without endpoints
  filter_external,      // filter KUBE-EXTERNAL-SERVICES: external VIPs without endpoints
  filter_node_ports,    // filter KUBE-EXTERNAL-NODEPORTS: node ports without endpoints
  filter_firewall,      // filter KUBE-PROXY-FIREWALL: what no source range let through
  filter_health_check,  // filter KUBE-NODEPORTS: health check node ports
};
inline constexpr std::size_t kDispatches = 7;

struct DispatchInfo {
  netfilter::Table table;
  const char* root;
  const char* tag;  // of the names of the chains below the root
  bool by_address;
};
[[nodiscard]] const DispatchInfo& info(Dispatch dispatch);

}  // namespace modes::iptables
