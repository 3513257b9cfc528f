// The rules of one service port: its own chains in table nat, and where it wants to be dispatched.
//
// Pure. Says in iptables' terms what a ServicePort says in Kubernetes' ("Virtual IPs and Service
// Proxies"): the shape, names and comments of the chains are those that kube-proxy made known.
#pragma once

#include "modes/iptables/chain_names.hpp"
#include "modes/iptables/dispatch.hpp"
#include "modes/iptables/endpoint_groups.hpp"
#include "modes/iptables/settings.hpp"
#include "proxy/state/service_port.hpp"

#include <utility>
#include <vector>

namespace modes::iptables {

struct ServiceRules {
  std::vector<Chain> chains;  // in table nat
  // Where, by which key, to what; the owner is the caller's business.
  std::vector<std::pair<std::pair<Dispatch, DispatchKey>, DispatchEntry>> dispatch;
};

[[nodiscard]] ServiceRules service_rules(const ServicePortName& name,
                                         const proxy::state::ServicePort& port,
                                         const Settings& settings, const NodeFacts& node,
                                         Layout layout);

// What matches packets of this node's own pods; nullopt if the family cannot be told.
// `inverted`: all but those.
[[nodiscard]] std::optional<netfilter::Rule> local_traffic(const Settings& settings,
                                                           const NodeFacts& node, Family family,
                                                           bool inverted);

// The rule that an entry of a dispatch tree stands for.
[[nodiscard]] netfilter::Rule dispatch_rule(const DispatchKey& key, const DispatchEntry& entry,
                                            const ServicePortName& owner);

}  // namespace modes::iptables
