// The rules that do not depend on services: jumps from iptables' built-in chains, masquerading,
// forwarding, and what stands behind the dispatch of services.
#pragma once

#include "modes/iptables/dispatch.hpp"
#include "modes/iptables/endpoint_groups.hpp"
#include "modes/iptables/settings.hpp"

#include <utility>
#include <vector>

namespace modes::iptables {

using netfilter::ChainKey;
using netfilter::Rule;

struct FixedRules {
  std::vector<std::pair<ChainKey, std::vector<Rule>>> chains;  // ours alone
  // In chains that others use too: our one rule there, or none.
  std::vector<std::pair<ChainKey, std::vector<Rule>>> shared;
  // Our rules at the head of each built-in chain, in their order.
  std::vector<std::pair<ChainKey, std::vector<Rule>>> jumps;
  // Behind the dispatch rules of a tree's root.
  std::vector<std::pair<Dispatch, std::vector<Rule>>> tails;
};
[[nodiscard]] FixedRules fixed_rules(Family family, const Settings& settings, const NodeFacts& node,
                                     Layout layout);

// Do IPv4 node ports answer on the loopback address? Then 127.0.0.0/8 must be routable
// (net.ipv4.conf.all.route_localnet) and is guarded against the outside by KUBE-FIREWALL.
[[nodiscard]] bool serves_localhost(const Settings& settings);

// Built-in chains that we insert jumps into, and chains that we share with others.
[[nodiscard]] bool is_shared_chain(const ChainKey& key);
// Chains that belong to the service proxy alone, of any name that we or kube-proxy use.
[[nodiscard]] bool is_own_chain(const ChainKey& key);

}  // namespace modes::iptables
