// What the kernel alone takes: transactions made beforehand and committed, nothing planned.
#pragma once

#include "modes/netfilter/kernel_netlink.hpp"

#include <vector>

namespace bench {

// The transactions that lead from nothing to kube-proxy's layout of the services of
// synthetic_cluster.hpp: KUBE-SERVICES with a rule for every VIP, a KUBE-SVC- chain with a jump for
// every endpoint, a KUBE-SEP- chain with two rules for each.
[[nodiscard]] std::vector<modes::netfilter::Transaction> kube_proxy_layout(int services);

// The least that takes the last endpoint of the service in the middle away, in that layout and in
// viaduct's. To commit it again costs the same.
[[nodiscard]] modes::netfilter::Transaction kube_proxy_change(int services);
[[nodiscard]] modes::netfilter::Transaction viaduct_change(int services);

// Ends the process when the kernel refuses it.
void commit(modes::netfilter::Kernel& kernel, const modes::netfilter::Transaction& transaction);

}  // namespace bench
