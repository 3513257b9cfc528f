#include "modes/ipvs/predecessors.hpp"

#include "modes/iptables/chain_names.hpp"
#include "modes/iptables/fixed_chains.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace modes::ipvs {
namespace {

using netfilter::ChainKey;
using netfilter::Observation;
using netfilter::Table;
using netfilter::Transaction;

// Of kube-proxy's ipvs mode (pkg/proxy/ipvs); what it has in common with the iptables mode is known
// there.
bool is_of_kube_proxys_ipvs_mode(const ChainKey& key) {
  static constexpr std::array<std::string_view, 2> kNat{"KUBE-NODE-PORT", "KUBE-LOAD-BALANCER"};
  static constexpr std::array<std::string_view, 4> kFilter{
      "KUBE-NODE-PORT", "KUBE-SOURCE-RANGES-FIREWALL", "KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER"};
  const auto name = key.name.view();
  return key.table == Table::nat ? std::ranges::find(kNat, name) != kNat.end()
                                 : std::ranges::find(kFilter, name) != kFilter.end();
}

bool is_a_proxys(const ChainKey& key) {
  return iptables::is_own_chain(key) || is_of_kube_proxys_ipvs_mode(key);
}

class Eviction {
 public:
  explicit Eviction(Observation& seen) : seen_{seen} {
    for (const auto& [key, chain] : seen.chains) {
      if (chain.base) {
        built_in_.insert(key);
      } else if (is_a_proxys(key)) {
        evicted_.insert(key);
      }
    }
  }

  Transaction build() && {
    for (const auto& key : built_in_) remove_jumps(key, seen_.chains.at(key));
    forget_jumps();
    // One chain may jump to another: all are emptied before any goes.
    for (const auto& key : evicted_) {
      const auto& chain = seen_.chains.at(key);
      if (chain.our_rules + chain.foreign_rules > 0) {
        out_.push_back(netfilter::RewriteChain{key, false, {}, {}});
      }
    }
    for (const auto& key : evicted_) {
      if (!held_.contains(key)) out_.push_back(netfilter::DeleteChain{key, 0});
      seen_.chains.erase(key);
    }
    return std::move(out_);
  }

 private:
  // Are jumps of others to it removed? One to the chain of a service is nobody's but its author's.
  [[nodiscard]] static bool is_removed(const ChainKey& to) {
    return is_a_proxys(to) && !iptables::is_service_chain(to.name.view());
  }

  void remove_jumps(const ChainKey& key, netfilter::ObservedChain& chain) {
    std::erase_if(chain.rules, [&](const netfilter::ObservedRule& rule) {
      const ChainKey to{key.family, key.table, rule.jumps_to};
      if (rule.jumps_to.empty() || !(rule.ours ? is_a_proxys(to) : is_removed(to))) return false;
      out_.push_back(netfilter::DeleteRule{key, rule.handle});
      --(rule.ours ? chain.our_rules : chain.foreign_rules);
      return true;
    });
  }

  // Those that are left hold their chains.
  void forget_jumps() {
    std::erase_if(seen_.foreign_jumps, [&](const auto& jump) {
      const auto& [from, to] = jump;
      if (evicted_.contains(from)) return true;
      const ChainKey target{from.family, from.table, to};
      if (built_in_.contains(from) && is_removed(target)) return true;
      if (evicted_.contains(target)) held_.insert(target);
      return false;
    });
  }

  Observation& seen_;
  std::set<ChainKey> built_in_, evicted_, held_;
  Transaction out_;
};

}  // namespace

Transaction evict_proxies(Observation& seen) {
  return Eviction{seen}.build();
}

}  // namespace modes::ipvs
