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

  // kube-proxy, back on the node, fills its chains anew but leaves jumps as it finds them: they are
  // the only way to its rules now.
  [[nodiscard]] bool leads_to_others(const ChainKey& from, const ObservedRule& rule) const {
    const auto* to = seen_.find({from.family, from.table, rule.jumps_to});
    return to != nullptr && to->our_rules == 0 && to->foreign_rules > 0;
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
