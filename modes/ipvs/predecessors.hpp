// What kube-proxy left in iptables' tables, of its ipvs mode or of its iptables mode: chains that
// would go on translating to endpoints that are gone, and refuse what its ipsets do not hold.
//
// Pure.
#pragma once

#include "modes/netfilter/observation.hpp"
#include "modes/netfilter/transaction.hpp"

namespace modes::ipvs {

// Removes the chains that belong to a service proxy alone, by their names, and the jumps to them
// from built-in chains, whoever wrote them; they are no more in `seen` afterwards. A chain that a
// rule of others jumps to stays, empty. What is shared with a kubelet (KUBE-MARK-MASQ,
// KUBE-FIREWALL) stays as it is. Requires the rules of all chains one by one.
[[nodiscard]] netfilter::Transaction evict_proxies(netfilter::Observation& seen);

}  // namespace modes::ipvs
