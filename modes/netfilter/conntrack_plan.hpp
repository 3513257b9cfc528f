// Which tracked UDP flows are stale after service ports changed, and how the kernel is asked to
// forget them.
//
// The kernel forwards the packets of a tracked flow where its first packet went, whatever the rules
// say by now. TCP ends by itself when the other side is gone; a UDP client that goes on sending
// from one port would be sent to a dead pod, or to the one that got its address, for ever. So a
// flow to a VIP whose replies come from no serving endpoint of that VIP is deleted. Unlike
// kube-proxy this also holds for a VIP that has no endpoint left or is gone.
//
// Pure. The rule is written down with cases in tests/conformance/conntrack.yaml.
#pragma once

#include "proxy/state/service_port.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace modes::netfilter {

using proxy::Family;
using proxy::IpAddress;
using proxy::Port;
using proxy::state::Endpoint;
using proxy::state::EndpointList;

// Where flows to a service port are sent: a VIP, or its node port on whatever address.
struct UdpFront {
  IpAddress address;  // unspecified, but of the right family: a node port
  Port port;

  friend auto operator<=>(const UdpFront&, const UdpFront&) = default;
  friend bool operator==(const UdpFront&, const UdpFront&) = default;
};

// What of a UDP service port decides which flows to it are stale.
struct UdpService {
  std::vector<UdpFront> fronts;  // sorted
  EndpointList serving;

  friend bool operator==(const UdpService&, const UdpService&) = default;
};
[[nodiscard]] UdpService udp_service(Family family, const proxy::state::ServicePort& port);

// UDP flows whose original destination is `address`:`port` are stale unless they are answered by
// one of `keep`.
struct ConntrackRule {
  enum class Scope : std::uint8_t {
    one_address,
    every_address,   // a node port: whatever the destination address, as in kube-proxy
    node_addresses,  // a node port that is gone: others may use its number, but not on this node
  };
  Scope scope = Scope::one_address;
  IpAddress address;  // unspecified, but of the right family, unless scope is one_address
  Port port;
  EndpointList keep;  // empty: every such flow is stale

  [[nodiscard]] std::string text() const;
  friend bool operator==(const ConntrackRule&, const ConntrackRule&) = default;
};

// One rule per front of `now`, and one that keeps nothing per front of `given_up` that is not among
// them. No two rules are about the same front.
[[nodiscard]] std::vector<ConntrackRule> conntrack_plan(std::span<const UdpService> now,
                                                        std::span<const UdpFront> given_up);

// A tracked UDP flow: where its first packet was sent, and who answers it.
struct UdpFlow {
  IpAddress destination;
  Port destination_port;
  Endpoint replier;  // the destination itself, if the flow was never translated
};

// Applies rules to flows: O(1) per flow. Refers to the rules, which must outlive it.
class ConntrackJudge {
 public:
  ConntrackJudge(std::span<const ConntrackRule> rules, std::span<const IpAddress> node_addresses);

  // By any rule; a flow that no rule is about is not.
  [[nodiscard]] bool is_stale(const UdpFlow& flow) const;

 private:
  using RuleOfPort = std::unordered_map<std::uint16_t, const ConntrackRule*>;
  struct Hash {
    std::size_t operator()(const UdpFront& front) const noexcept {
      return std::hash<IpAddress>{}(front.address) * 31 + front.port.value;
    }
  };
  std::unordered_map<UdpFront, const ConntrackRule*, Hash> one_address_;
  std::array<RuleOfPort, proxy::kFamilies.size()> every_address_;
  std::array<RuleOfPort, proxy::kFamilies.size()> node_ports_gone_;
  std::unordered_set<IpAddress> node_addresses_;
};

// One pass of the kernel over its table. It looks at every flow there is (about 0.2 µs each) and
// hands over those that the filter lets through (another 1 µs each).
struct ConntrackWalk {
  Family family = Family::v4;            // with protocol UDP, always part of the filter
  std::optional<IpAddress> destination;  // IPv4 only: the kernel's filter fails for IPv6 addresses
  std::optional<Port> destination_port;
  // Delete all that the filter lets through, unseen; else hand them over to be judged.
  bool delete_all = false;

  friend bool operator==(const ConntrackWalk&, const ConntrackWalk&) = default;
};

// The walks that serve `rules`. A filter of the kernel names one destination, so either each rule
// has the walk with the narrowest filter, if these are at most `budget`, or the rules of a family
// share one, with what they have in common. Up to four the first is never slower, even where
// all of the table is UDP.
[[nodiscard]] std::vector<ConntrackWalk> conntrack_walks(std::span<const ConntrackRule> rules,
                                                         std::size_t budget);

}  // namespace modes::netfilter
