// What must stand in iptables' own tables: a packet that another rule there drops cannot be let in
// by a table of ours.
//
// Pure. In the table filter KUBE-NODEPORTS lets health checks in, KUBE-FORWARD lets answers pass.
// All else there that bears our mark is of another mode, and goes.
#pragma once

#include "modes/ipvs/holdings.hpp"
#include "modes/netfilter/observation.hpp"
#include "modes/netfilter/transaction.hpp"

#include <set>

namespace modes::ipvs {

using HealthPorts = std::set<std::pair<Family, Port>>;
[[nodiscard]] HealthPorts health_ports(const Holdings& holdings);

// What is to be done to the ruleset as it was seen; empty if nothing differs.
[[nodiscard]] netfilter::Transaction plan_filter_chains(const netfilter::Observation& seen,
                                                        const Settings& settings,
                                                        const HealthPorts& health);

// Is this a chain that plan_filter_chains() writes?
[[nodiscard]] bool is_filter_chain(const netfilter::ChainKey& key);

}  // namespace modes::ipvs
