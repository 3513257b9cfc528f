// Plans transactions that bring the kernel's iptables rules to what a ServiceTable wants.
//
// Pure. Holds what the kernel last acknowledged, one digest for each chain, and the dispatch trees
// of what is wanted. One way for all cases: say what may differ (everything, or the service ports
// that changed), then take transactions until there are none:
//
//   observe ─► begin_all ─┐
//                         ├─► next ─► commit by the caller ─► committed ─► next …
//   begin (changed) ──────┘              │
//                                        └─► refused (sets services aside) ─► next …
//
// A small load is one transaction. A large one comes in several: service chains that are new first,
// which nothing reaches yet, then one that changes chains in force, switches dispatch over and
// removes what is stale: packets meet the old rules or the new ones, whenever the load ends. Where
// so much in force changes that this would be too large, chains in force change earlier, a service
// at a time.
#pragma once

#include "modes/iptables/dispatch_tree.hpp"
#include "modes/iptables/fixed_chains.hpp"
#include "modes/iptables/service_chains.hpp"
#include "modes/mode.hpp"
#include "modes/netfilter/kernel.hpp"
#include "modes/netfilter/observation.hpp"
#include "modes/netfilter/transaction.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace modes::iptables {

using netfilter::Digest;
using netfilter::Observation;
using netfilter::Transaction;

class Planner {
 public:
  // `families`: those that the kernel has.
  Planner(Settings settings, std::vector<Family> families);

  // Of which chains observe() wants the rules one by one.
  [[nodiscard]] static bool itemised(const ChainKey& key) { return is_shared_chain(key); }
  // What is in the kernel now, instead of what was acknowledged.
  void observe(const Observation& observation, const NodeFacts& node);

  // Everything may differ.
  void begin_all(const ServiceTable& wanted, const NodeFacts& node);
  // Only these may differ. Requires an earlier begin_all() that came to its end.
  void begin(const ServiceTable& wanted, std::span<const ServicePortName> changed);

  // The next transaction, or an empty one when nothing is left. The table may have changed since
  // begin; what it says now is planned. A transaction ends at about `max_bytes` of netlink, except
  // the last, which is never divided.
  [[nodiscard]] Transaction next(const ServiceTable& wanted, std::size_t max_bytes);
  // The kernel has taken the last transaction, at this moment.
  void committed(std::chrono::sys_seconds now = {});
  // The kernel refused these operations of the last transaction: their services are set aside, and
  // next() plans the rest anew. An Error if one belongs to no service.
  [[nodiscard]] Result<void> refused(const ServiceTable& wanted, const Transaction& transaction,
                                     const std::vector<netfilter::RefusedOperation>& operations);

  [[nodiscard]] std::vector<SetAside> set_aside() const;
  [[nodiscard]] std::size_t rule_count(Family family, netfilter::Table table) const;
  [[nodiscard]] const NodeFacts& node() const { return node_; }
  // The chains of the service port in table nat; empty if it has none.
  [[nodiscard]] std::vector<ChainName> chains_of(const ServicePortName& name) const;
  // Those of them whose rules translate, each connection to an endpoint by one, and when the last
  // of all its chains was written; absent if that was before it was observed. nullopt: it has none,
  // for it is set aside or not planned yet.
  struct CountingChains {
    std::vector<ChainName> chains;
    std::optional<std::chrono::sys_seconds> written;
  };
  [[nodiscard]] std::optional<CountingChains> counting_chains_of(const ServicePortName& name) const;
  // Would the kernel's chain `key` concern us, if somebody changed it?
  [[nodiscard]] bool concerns(const ChainKey& key) const;

 private:
  struct Contribution {
    OwnerId id = 0;
    std::vector<ChainName> chains;
    std::vector<std::pair<Dispatch, DispatchKey>> entries;
  };
  enum class Phase : std::uint8_t { services, dispatch, done };
  struct Acknowledged {
    Digest digest = 0;
    std::uint32_t rules = 0;
    bool known = true;          // false: not all of its rules are ours
    std::uint32_t written = 0;  // seconds since 1970; 0: it was there already
    friend bool operator==(const Acknowledged& a, const Acknowledged& b) {  // whenever written
      return a.digest == b.digest && a.rules == b.rules && a.known == b.known;
    }
  };

  void begin_run();
  [[nodiscard]] std::optional<ServiceRules> rules_of(const ServiceTable& wanted,
                                                     const ServicePortName& name) const;
  [[nodiscard]] Layout layout_for(const ServiceTable& wanted) const;
  [[nodiscard]] DispatchTree& tree(Family family, Dispatch dispatch);
  void observe_base(const Observation& observation, Family family, const FixedRules& fixed);
  void observe_jumps(const netfilter::ObservedChain* chain, const ChainKey& key,
                     const std::vector<Rule>& wanted);
  void observe_shared(const netfilter::ObservedChain* chain, const ChainKey& key,
                      const std::vector<Rule>& wanted);

  void withdraw(const ServicePortName& name);
  void plan_service(const ServicePortName& name, ServiceRules rules, Transaction& out);
  [[nodiscard]] bool changes_what_is_in_force(const ServicePortName& name,
                                              const ServiceRules& rules) const;
  [[nodiscard]] bool defer(const ServicePortName& name, const ServiceRules& rules);
  void plan_pending(const ServiceTable& wanted, std::size_t max_bytes, Transaction& out);
  void plan_dispatch(Transaction& out);
  void plan_trees(Family family, Transaction& chains, Transaction& rules);
  void plan_fixed(Family family, Transaction& chains, Transaction& rules);
  void plan_removals(Transaction& out);
  void plan_chain(const ChainKey& key, std::vector<Rule> rules, std::vector<OwnerId> owners,
                  Transaction& chains, Transaction& rewrites);
  OwnerId owner_of(const ServicePortName& name);
  void restart_chunk();

  Settings settings_;
  std::vector<Family> families_;
  NodeFacts node_;
  Layout layout_;
  bool hairpin_match_works_ = true;

  std::unordered_map<ChainKey, Acknowledged> acknowledged_;
  std::unordered_set<ChainKey> held_;  // foreign rules jump there
  std::map<ServicePortName, Contribution> contributions_;
  std::vector<const ServicePortName*> owners_;  // by id; keys of contributions_, null when free
  std::vector<OwnerId> free_owners_;
  std::map<std::pair<Family, Dispatch>, DispatchTree> trees_;
  std::map<ServicePortName, Error> set_aside_;

  // Of the run that is under way.
  Phase phase_ = Phase::done;
  bool fixed_due_ = false;
  Transaction prologue_;  // tables, built-in and shared chains
  Transaction jumps_;
  std::deque<ServicePortName> pending_;
  bool large_ = false;                     // it takes more than one transaction
  std::vector<ServicePortName> deferred_;  // to the last transaction
  std::size_t deferred_rules_ = 0;
  std::vector<ServicePortName> chunk_;
  std::unordered_set<ChainKey> stale_;
  std::vector<std::pair<ChainKey, std::optional<Acknowledged>>> effects_;  // nullopt: deleted
  bool chunk_has_prologue_ = false;
  bool chunk_has_dispatch_ = false;
};

}  // namespace modes::iptables
