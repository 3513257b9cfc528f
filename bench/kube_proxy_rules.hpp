// The services of synthetic_cluster.hpp as kube-proxy writes them, for the peers' own tools.
#pragma once

#include <string>

namespace bench {

// For iptables-restore --noflush: everything, and what one changed endpoint leads to (kube-proxy
// rewrites KUBE-SERVICES whole at every sync, and the chains of what changed). Of the service in
// the middle only the first `endpoints` are there.
[[nodiscard]] std::string iptables_full_load(int services);
[[nodiscard]] std::string iptables_one_change(int services, int endpoints);

// For nft -f: the table `kube-proxy` with its verdict maps. The first and the last service have
// their chains; the others share one, which no packet of a bench meets.
[[nodiscard]] std::string nftables_full_load(int services);

}  // namespace bench
