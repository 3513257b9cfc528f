// What of a service port the kernel has to know: which VIPs are steered to us, which are refused.
//
// Pure. The rules are fixed (chains.hpp); a service port is nothing but elements of their maps and
// sets. A VIP's number says what becomes of its packets; who sends them is found out by the rules.
#pragma once

#include "modes/netfilter/private_table.hpp"
#include "modes/userspace/settings.hpp"
#include "proxy/state/service_port.hpp"

#include <compare>
#include <cstdint>
#include <vector>

namespace modes::userspace::steering {

using proxy::state::ServicePort;
using proxy::state::ServicePortName;

// What becomes of a VIP's packets. Values are the numbers in the kernel's maps.
enum class Fate : std::uint32_t {
  cluster_ip = 1,   // inside or masked, by whether the sender is a pod of this node
  external = 2,     // masked
  by_policy = 3,    // Local: pods inside, this node masked, others outside
  outside = 4,      // Local, with no endpoints but local ones: outside for everybody
  inside_only = 5,  // Local, without local endpoints: as by_policy, but others are dropped
  reject = 6,       // a cluster IP with no endpoint anywhere
  drop = 7,         // … with no endpoint here
  // The same of external VIPs. What this node itself sends there passes, as in kube-proxy, whose
  // rules for it are not in OUTPUT: the address may have somebody else behind it.
  external_reject = 8,
  external_drop = 9,
};
// Added to a fate: only for senders in the set of ranges, others are dropped.
inline constexpr std::uint32_t kGuarded = 16;

// Names of the sets and maps.
inline constexpr const char* kVips = "vips";             // address . protocol . port : fate
inline constexpr const char* kNodePorts = "node-ports";  // protocol . port : fate
inline constexpr const char* kSources = "sources";       // address . protocol . port . source range

[[nodiscard]] const netfilter::SetLayout& vips_layout();
[[nodiscard]] const netfilter::SetLayout& node_ports_layout();
[[nodiscard]] const netfilter::SetLayout& sources_layout();

struct VipElement {
  IpAddress address;
  Protocol protocol = Protocol::tcp;
  Port port;
  std::uint32_t number = 0;  // a Fate, perhaps with kGuarded
  friend auto operator<=>(const VipElement&, const VipElement&) = default;
};
struct NodePortElement {
  Protocol protocol = Protocol::tcp;
  Port port;
  std::uint32_t number = 0;
  friend auto operator<=>(const NodePortElement&, const NodePortElement&) = default;
};
struct SourceElement {
  IpAddress address;
  Protocol protocol = Protocol::tcp;
  Port port;
  IpPrefix source;
  friend auto operator<=>(const SourceElement&, const SourceElement&) = default;
};

// All of one service port, each list sorted. Empty for SCTP, which is not ours.
struct Elements {
  std::vector<VipElement> vips;
  std::vector<NodePortElement> node_ports;
  std::vector<SourceElement> sources;

  [[nodiscard]] bool empty() const { return vips.empty() && node_ports.empty() && sources.empty(); }
  friend bool operator==(const Elements&, const Elements&) = default;
};

// `primary_ips`: of this node. A load balancer's IP may be used by this node if one of them
// is in a source range.
[[nodiscard]] Elements elements_of(const ServicePortName& name, const ServicePort& port,
                                   const std::vector<IpAddress>& primary_ips);

[[nodiscard]] netfilter::SetElement encode(const VipElement& element);
[[nodiscard]] netfilter::SetElement encode(const NodePortElement& element);
[[nodiscard]] netfilter::SetElement encode(const SourceElement& element);

}  // namespace modes::userspace::steering
