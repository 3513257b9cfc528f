#include "modes/iptables/cleanup.hpp"

#include <algorithm>
#include <set>

namespace modes::iptables {
namespace {

using netfilter::ChainKey;
using netfilter::CommitResult;
using netfilter::DeleteChain;
using netfilter::DeleteRule;
using netfilter::DeleteTable;
using netfilter::Observation;
using netfilter::ObservedChain;
using netfilter::ObservedRule;
using netfilter::RewriteChain;

// How often it is planned anew because others commit meanwhile.
constexpr int kAttempts = 50;

class Plan {
 public:
  explicit Plan(const Observation& seen) : seen_{seen} {
    for (const auto& [from, to] : seen.foreign_jumps) held_.insert({from.family, from.table, to});
    for (const auto& [key, chain] : seen.chains) {
      if (!chain.base || !is_succeeded(key.family)) continue;
      for (const auto& rule : chain.rules) {
        const ChainKey to{key.family, key.table, rule.jumps_to};
        if (rule.ours && holds_nothing_of_ours(to)) taken_over_.insert(to);
      }
    }
  }

  CleanupPlan build() && {
    std::vector<ChainKey> keys;
    for (const auto& [key, chain] : seen_.chains) keys.push_back(key);
    std::ranges::sort(keys);
    for (const auto& key : keys) empty(key, seen_.chains.at(key));
    // A chain can go only when no jump to it is left anywhere, so all are emptied first.
    for (const auto& key : deletable_) out_.transaction.push_back(DeleteChain{key, 0});
    for (const auto& [table, marked] : seen_.tables)
      delete_table(table.first, table.second, marked);
    out_.report.chains = deletable_.size();
    return std::move(out_);
  }

 private:
  void empty(const ChainKey& key, const ObservedChain& chain) {
    if (taken_over_.contains(key)) return;
    const bool ours = chain.marked || (chain.our_rules > 0 && !chain.base);
    if (ours && chain.foreign_rules == 0 && !held_.contains(key)) {
      if (chain.our_rules > 0) out_.transaction.push_back(RewriteChain{key, false, {}, {}});
      out_.report.rules += chain.our_rules;
      deletable_.insert(key);
      return;
    }
    for (const auto& rule : chain.rules) {
      if (!rule.ours || leads_to_others(key, rule)) continue;
      out_.transaction.push_back(DeleteRule{key, rule.handle});
      ++out_.report.rules;
    }
  }

  // kube-proxy, back on the node, fills its chains anew, some with nothing yet, but leaves the
  // jumps to them as it finds them: these are the only way to its rules now.
  [[nodiscard]] bool leads_to_others(const ChainKey& from, const ObservedRule& rule) const {
    return taken_over_.contains({from.family, from.table, rule.jumps_to});
  }
  [[nodiscard]] bool is_succeeded(netfilter::Family family) const {
    const auto* services =
        seen_.find({family, netfilter::Table::nat, netfilter::ChainName{"KUBE-SERVICES"}});
    return services != nullptr && services->our_rules == 0 && services->foreign_rules > 0;
  }
  [[nodiscard]] bool holds_nothing_of_ours(const ChainKey& key) const {
    const auto* chain = seen_.find(key);
    return chain != nullptr && chain->our_rules == 0;
  }

  void delete_table(netfilter::Family family, netfilter::Table table, bool marked) {
    const bool empty = std::ranges::all_of(seen_.chains, [&](const auto& entry) {
      return entry.first.family != family || entry.first.table != table ||
             deletable_.contains(entry.first);
    });
    if (marked && empty && !seen_.foreign_chains.contains({family, table})) {
      out_.transaction.push_back(DeleteTable{family, table});
    }
  }

  const Observation& seen_;
  std::set<ChainKey> held_;
  std::set<ChainKey> taken_over_;  // behind jumps of ours from built-in chains
  std::set<ChainKey> deletable_;
  CleanupPlan out_;
};

}  // namespace

CleanupPlan plan_cleanup(const Observation& observation) {
  return Plan{observation}.build();
}

Awaitable<Result<CleanupReport>> cleanup(netfilter::Kernel& kernel) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto seen = co_await kernel.observe(&cleanup_itemises);
    if (!seen) co_return seen.error();
    const auto plan = plan_cleanup(*seen);
    if (plan.transaction.empty()) co_return plan.report;
    const auto result = kernel.commit(plan.transaction, seen->generation);
    if (!result) co_return result.error();
    if (result->kind == CommitResult::Kind::committed) co_return plan.report;
    if (result->kind == CommitResult::Kind::refused) {
      co_return within("remove our rules", result->refused.front().error);
    }
  }
  co_return proxy::system_error(EAGAIN,
                                "remove our rules: others never stopped changing the ruleset");
}

}  // namespace modes::iptables
