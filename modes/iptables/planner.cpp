#include "modes/iptables/planner.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>

namespace modes::iptables {
namespace {

using netfilter::AddBaseChain;
using netfilter::AddChain;
using netfilter::AddTable;
using netfilter::AppendRule;
using netfilter::chain_digest;
using netfilter::DeleteChain;
using netfilter::DeleteRule;
using netfilter::InsertRule;
using netfilter::ObservedChain;
using netfilter::RewriteChain;
using netfilter::Table;

// Above this many endpoints kube-proxy calls a cluster large and leaves comments out; we leave the
// chains of single endpoints out too.
constexpr std::size_t kLargeCluster = 1000;

// How many rules in force the last transaction of a large load changes at most: some 9 MB.
constexpr std::size_t kMaxDeferred = 20'000;

Digest digest_of(Family family, const std::vector<Rule>& rules) {
  Digest sum = 0;
  std::vector<std::byte> scratch;
  for (const auto& rule : rules) {
    scratch.clear();
    sum = chain_digest(sum, netfilter::encode_rule(family, rule, scratch));
  }
  return sum;
}

void append(Transaction& to, Transaction&& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

std::size_t size_of(const Transaction& transaction) {
  std::size_t bytes = 0;
  for (const auto& operation : transaction) bytes += netfilter::encoded_size(operation);
  return bytes;
}

constexpr std::array<std::pair<Table, const char*>, 7> kBuiltInChains{{{Table::nat, "PREROUTING"},
                                                                       {Table::nat, "INPUT"},
                                                                       {Table::nat, "OUTPUT"},
                                                                       {Table::nat, "POSTROUTING"},
                                                                       {Table::filter, "INPUT"},
                                                                       {Table::filter, "FORWARD"},
                                                                       {Table::filter, "OUTPUT"}}};

}  // namespace

Planner::Planner(Settings settings, std::vector<Family> families)
    : settings_{std::move(settings)}, families_{std::move(families)} {
  owners_.push_back(nullptr);  // 0 is nobody
}

Layout Planner::layout_for(const ServiceTable& wanted) const {
  return Layout{.endpoint_chains =
                    !hairpin_match_works_ || wanted.endpoint_count() <= kLargeCluster};
}

DispatchTree& Planner::tree(Family family, Dispatch dispatch) {
  return trees_.try_emplace({family, dispatch}, dispatch, family).first->second;
}

std::size_t Planner::rule_count(Family family, netfilter::Table table) const {
  std::size_t sum = 0;
  for (const auto& [key, chain] : acknowledged_) {
    if (key.family == family && key.table == table) sum += chain.rules;
  }
  return sum;
}

std::vector<ChainName> Planner::chains_of(const ServicePortName& name) const {
  const auto it = contributions_.find(name);
  return it == contributions_.end() ? std::vector<ChainName>{} : it->second.chains;
}

std::optional<Planner::CountingChains> Planner::counting_chains_of(
    const ServicePortName& name) const {
  const auto it = contributions_.find(name);
  if (it == contributions_.end()) return std::nullopt;
  CountingChains out{it->second.chains, {}};
  std::uint32_t last = 0;
  for (const auto& chain : out.chains) {
    const auto known = acknowledged_.find({name.family, Table::nat, chain});
    if (known != acknowledged_.end()) last = std::max(last, known->second.written);
  }
  if (last != 0) out.written = std::chrono::sys_seconds{std::chrono::seconds{last}};
  const auto is_of_endpoint = [](const auto& chain) { return is_endpoint_chain(chain.view()); };
  if (std::ranges::any_of(out.chains, is_of_endpoint)) {
    std::erase_if(out.chains, std::not_fn(is_of_endpoint));
  }
  return out;
}

bool Planner::concerns(const ChainKey& key) const {
  return is_own_chain(key) && acknowledged_.contains(key);
}

// ── what is there ────────────────────────────────────────────────────────────────────────────────

void Planner::observe(const Observation& observation, const NodeFacts& node) {
  node_ = node;
  held_.clear();
  prologue_.clear();
  jumps_.clear();
  const auto is_relevant = [](const ChainKey& key, const ObservedChain& chain) {
    return !chain.base && is_own_chain(key);
  };
  std::erase_if(acknowledged_, [&](const auto& known) {
    const auto* chain = observation.find(known.first);
    return chain == nullptr || !is_relevant(known.first, *chain);
  });
  for (const auto& [key, chain] : observation.chains) {
    if (!is_relevant(key, chain)) continue;
    const Acknowledged seen{chain.digest, chain.our_rules + chain.foreign_rules,
                            chain.foreign_rules == 0};
    // What is as it was stays known to be that old.
    if (auto& known = acknowledged_[key]; known != seen) known = seen;
  }
  for (const auto& [from, to] : observation.foreign_jumps) {
    const ChainKey target{from.family, from.table, to};
    const auto* chain = observation.find(from);
    const bool goes_with_its_chain = is_own_chain(from) && chain != nullptr && !chain->base;
    if (!goes_with_its_chain && is_service_chain(to.view())) held_.insert(target);
  }
  for (const auto family : families_) {
    observe_base(observation, family, fixed_rules(family, settings_, node_, layout_));
  }
}

void Planner::observe_base(const Observation& observation, Family family, const FixedRules& fixed) {
  for (const auto table : netfilter::kTables) {
    if (!observation.tables.contains({family, table})) prologue_.push_back(AddTable{family, table});
  }
  for (const auto& [table, name] : kBuiltInChains) {
    const ChainKey key{family, table, name};
    if (observation.find(key) == nullptr) prologue_.push_back(AddBaseChain{key});
  }
  for (const auto& [key, rules] : fixed.shared) observe_shared(observation.find(key), key, rules);
  for (const auto& [key, rules] : fixed.jumps) observe_jumps(observation.find(key), key, rules);
}

// Ours stand at the head in their order, whatever others have put before or between them since.
// Jumps to our chains that are not marked are kube-proxy's: ours replace them. A jump straight to a
// service's chain is nobody's but its author's.
void Planner::observe_jumps(const ObservedChain* chain, const ChainKey& key,
                            const std::vector<Rule>& wanted) {
  std::vector<Digest> digests;
  digests.reserve(wanted.size());
  for (const auto& rule : wanted) digests.push_back(netfilter::digest(key.family, rule));
  std::vector<Digest> there;
  if (chain != nullptr) {
    for (const auto& rule : chain->rules) {
      if (rule.ours) there.push_back(*rule.ours);
    }
  }
  const bool as_wanted = there == digests;
  if (!as_wanted) {
    for (auto rule = wanted.rbegin(); rule != wanted.rend(); ++rule)
      jumps_.push_back(InsertRule{key, *rule});
  }
  if (chain == nullptr) return;
  for (const auto& rule : chain->rules) {
    const ChainKey target{key.family, key.table, rule.jumps_to};
    const bool kube_proxys = !rule.ours && !rule.jumps_to.empty() && is_own_chain(target) &&
                             !is_service_chain(rule.jumps_to.view());
    if (kube_proxys || (rule.ours && !as_wanted)) jumps_.push_back(DeleteRule{key, rule.handle});
  }
}

void Planner::observe_shared(const ObservedChain* chain, const ChainKey& key,
                             const std::vector<Rule>& wanted) {
  if (chain == nullptr && !wanted.empty()) prologue_.push_back(AddChain{key});
  bool there = false;
  if (chain != nullptr) {
    for (const auto& rule : chain->rules) {
      if (!rule.ours) continue;
      if (!there && !wanted.empty() &&
          *rule.ours == netfilter::digest(key.family, wanted.front())) {
        there = true;
      } else {
        prologue_.push_back(DeleteRule{key, rule.handle});
      }
    }
  }
  if (!there && !wanted.empty()) prologue_.push_back(AppendRule{key, wanted.front()});
}

// ── what is wanted ───────────────────────────────────────────────────────────────────────────────

void Planner::begin_run() {
  pending_.clear();
  deferred_.clear();
  deferred_rules_ = 0;
  large_ = false;
  phase_ = Phase::services;
}

void Planner::begin_all(const ServiceTable& wanted, const NodeFacts& node) {
  begin_run();
  node_ = node;
  layout_ = layout_for(wanted);
  contributions_.clear();
  trees_.clear();
  set_aside_.clear();
  owners_.assign(1, nullptr);
  free_owners_.clear();
  stale_.clear();
  for (const auto& [key, state] : acknowledged_) {
    if (is_service_chain(key.name.view())) stale_.insert(key);
  }
  wanted.for_each([&](const ServicePortName& name, const auto&) {
    if (std::ranges::find(families_, name.family) != families_.end()) pending_.push_back(name);
  });
  for (const auto family : families_) {
    for (std::size_t i = 0; i < kDispatches; ++i) (void)tree(family, static_cast<Dispatch>(i));
  }
  fixed_due_ = true;
}

void Planner::begin(const ServiceTable& wanted, std::span<const ServicePortName> changed) {
  if (layout_for(wanted) != layout_) return begin_all(wanted, node_);
  begin_run();
  for (const auto& name : changed) {
    if (std::ranges::find(families_, name.family) == families_.end()) continue;
    // All withdraw before any contributes: a VIP may go from one service to another.
    withdraw(name);
    set_aside_.erase(name);
    pending_.push_back(name);
  }
}

void Planner::withdraw(const ServicePortName& name) {
  const auto it = contributions_.find(name);
  if (it == contributions_.end()) return;
  for (const auto& [where, key] : it->second.entries)
    tree(name.family, where).erase(key, it->second.id);
  for (const auto& chain : it->second.chains) stale_.insert({name.family, Table::nat, chain});
  owners_[it->second.id] = nullptr;
  free_owners_.push_back(it->second.id);
  contributions_.erase(it);
}

OwnerId Planner::owner_of(const ServicePortName& name) {
  const auto [it, inserted] = contributions_.try_emplace(name);
  if (inserted) {
    if (free_owners_.empty()) {
      it->second.id = static_cast<OwnerId>(owners_.size());
      owners_.push_back(&it->first);
    } else {
      it->second.id = free_owners_.back();
      free_owners_.pop_back();
      owners_[it->second.id] = &it->first;
    }
  }
  return it->second.id;
}

// ── transactions ─────────────────────────────────────────────────────────────────────────────────

// Adds what makes `key` hold `rules`, if it does not.
void Planner::plan_chain(const ChainKey& key, std::vector<Rule> rules, std::vector<OwnerId> owners,
                         Transaction& chains, Transaction& rewrites) {
  stale_.erase(key);
  const Acknowledged after{digest_of(key.family, rules), static_cast<std::uint32_t>(rules.size()),
                           true};
  const auto it = acknowledged_.find(key);
  const bool exists = it != acknowledged_.end();
  if (exists && it->second == after) return;
  if (!exists) chains.push_back(AddChain{key, owners.empty() ? 0 : owners.front()});
  if (exists || !rules.empty()) {
    rewrites.push_back(RewriteChain{key, !exists, std::move(rules), std::move(owners)});
  }
  effects_.emplace_back(key, after);
}

std::optional<ServiceRules> Planner::rules_of(const ServiceTable& wanted,
                                              const ServicePortName& name) const {
  const auto* port = set_aside_.contains(name) ? nullptr : wanted.find(name);
  if (port == nullptr) return std::nullopt;
  return service_rules(name, *port, settings_, node_, layout_);
}

void Planner::plan_service(const ServicePortName& name, ServiceRules rules, Transaction& out) {
  const auto owner = owner_of(name);
  auto& contribution = contributions_.at(name);
  Transaction chains;
  Transaction rewrites;
  for (auto& chain : rules.chains) {
    contribution.chains.push_back(chain.name);
    plan_chain({name.family, Table::nat, chain.name}, std::move(chain.rules), {owner}, chains,
               rewrites);
  }
  for (auto& [at, entry] : rules.dispatch) {
    contribution.entries.push_back(at);
    entry.owner = owner;
    tree(name.family, at.first).put(at.second, entry);
  }
  contribution.chains.shrink_to_fit();
  contribution.entries.shrink_to_fit();
  append(out, std::move(chains));
  append(out, std::move(rewrites));
}

bool Planner::changes_what_is_in_force(const ServicePortName& name,
                                       const ServiceRules& rules) const {
  return std::ranges::any_of(rules.chains, [&](const auto& chain) {
    const auto it = acknowledged_.find({name.family, Table::nat, chain.name});
    return it != acknowledged_.end() && it->second.digest != digest_of(name.family, chain.rules);
  });
}

// Keeps back to the last transaction what packets would meet half changed.
bool Planner::defer(const ServicePortName& name, const ServiceRules& rules) {
  if (deferred_rules_ >= kMaxDeferred || !changes_what_is_in_force(name, rules)) return false;
  for (const auto& chain : rules.chains) deferred_rules_ += chain.rules.size();
  deferred_.push_back(name);
  return true;
}

// As many of the pending services as fit.
void Planner::plan_pending(const ServiceTable& wanted, std::size_t max_bytes, Transaction& out) {
  for (auto bytes = size_of(out); !pending_.empty() && bytes < max_bytes;) {
    auto name = std::move(pending_.front());
    pending_.pop_front();
    auto rules = rules_of(wanted, name);
    if (!rules || (large_ && defer(name, *rules))) continue;
    const auto before = out.size();
    plan_service(name, std::move(*rules), out);
    chunk_.push_back(std::move(name));
    for (auto i = before; i < out.size(); ++i) bytes += netfilter::encoded_size(out[i]);
  }
}

void Planner::plan_trees(Family family, Transaction& chains, Transaction& rules) {
  const auto fixed = fixed_rules(family, settings_, node_, layout_);
  for (std::size_t i = 0; i < kDispatches; ++i) {
    const auto dispatch = static_cast<Dispatch>(i);
    for (auto& [name, content] : tree(family, dispatch).changes()) {
      const ChainKey key{family, info(dispatch).table, name};
      if (!content) {
        if (acknowledged_.contains(key)) stale_.insert(key);
        continue;
      }
      std::vector<Rule> out;
      std::vector<OwnerId> owners;
      for (const auto& link : content->links) {
        auto rule = link.prefix.match(link.bits);
        if (link.by_jump) {
          rule.target = netfilter::Jump{link.to};
        } else {
          rule.target = netfilter::Goto{link.to};
        }
        out.push_back(std::move(rule));
        owners.push_back(0);
      }
      for (const auto& [at, entry] : content->entries) {
        out.push_back(dispatch_rule(at, entry, *owners_[entry.owner]));
        owners.push_back(entry.owner);
      }
      if (name == ChainName{info(dispatch).root}) {
        for (const auto& [where, tail] : fixed.tails) {
          if (where == dispatch) out.insert(out.end(), tail.begin(), tail.end());
        }
      }
      owners.resize(out.size());
      plan_chain(key, std::move(out), std::move(owners), chains, rules);
    }
  }
  if (fixed_due_ && layout_.endpoint_chains) plan_fixed(family, chains, rules);
}

// The chains that stand apart from dispatch. Endpoints without chains of their own rely on
// KUBE-POSTROUTING to know hairpins, so there it comes before all services and elsewhere behind.
void Planner::plan_fixed(Family family, Transaction& chains, Transaction& rules) {
  const auto fixed = fixed_rules(family, settings_, node_, layout_);
  for (const auto& [key, fixed_chain] : fixed.chains)
    plan_chain(key, fixed_chain, {}, chains, rules);
}

// Emptied first, all of them: a chain can go only when nothing jumps to it.
void Planner::plan_removals(Transaction& out) {
  Transaction deletions;
  std::vector<ChainKey> stale{stale_.begin(), stale_.end()};
  std::ranges::sort(stale);
  for (const auto& key : stale) {
    const auto it = acknowledged_.find(key);
    if (it == acknowledged_.end()) continue;
    const bool held = held_.contains(key);
    if (held && it->second == Acknowledged{}) continue;  // emptied already
    out.push_back(RewriteChain{key, false, {}, {}});
    if (held) {
      effects_.emplace_back(key, Acknowledged{});
    } else {
      deletions.push_back(DeleteChain{key, 0});
      effects_.emplace_back(key, std::nullopt);
    }
  }
  append(out, std::move(deletions));
}

void Planner::plan_dispatch(Transaction& out) {
  Transaction chains;
  Transaction rules;
  for (const auto family : families_) plan_trees(family, chains, rules);
  append(out, std::move(chains));
  append(out, std::move(rules));
  if (fixed_due_) out.insert(out.end(), jumps_.begin(), jumps_.end());
  plan_removals(out);
}

Transaction Planner::next(const ServiceTable& wanted, std::size_t max_bytes) {
  Transaction out;
  effects_.clear();
  chunk_.clear();
  chunk_has_dispatch_ = false;
  chunk_has_prologue_ = fixed_due_ && !prologue_.empty();
  if (phase_ == Phase::done) return out;
  if (chunk_has_prologue_) out = prologue_;
  if (fixed_due_ && !layout_.endpoint_chains) {
    Transaction rules;
    for (const auto family : families_) plan_fixed(family, out, rules);
    append(out, std::move(rules));
  }
  plan_pending(wanted, max_bytes, out);
  const bool fits = pending_.empty() && size_of(out) < max_bytes;
  if (!fits && !large_) {  // begun again, this time with deferrals
    large_ = true;
    restart_chunk();
    return next(wanted, max_bytes);
  }
  // The switch-over goes along with a small load, alone behind a large one.
  if (fits) {
    deferred_rules_ = 0;
    for (auto& name : std::exchange(deferred_, {})) {
      if (auto rules = rules_of(wanted, name)) plan_service(name, std::move(*rules), out);
      chunk_.push_back(std::move(name));
    }
    chunk_has_dispatch_ = true;
    plan_dispatch(out);
    if (out.empty()) committed();
  }
  return out;
}

void Planner::committed(std::chrono::sys_seconds now) {
  for (auto& [key, effect] : effects_) {
    if (effect) {
      effect->written = static_cast<std::uint32_t>(now.time_since_epoch().count());
      acknowledged_[key] = *effect;
    } else {
      acknowledged_.erase(key);
    }
  }
  effects_.clear();
  if (chunk_has_prologue_) prologue_.clear();
  if (!chunk_has_dispatch_) return;
  for (auto& [at, tree] : trees_) tree.clear_changes();
  stale_.clear();
  jumps_.clear();
  fixed_due_ = false;
  phase_ = Phase::done;
}

void Planner::restart_chunk() {
  for (auto name = chunk_.rbegin(); name != chunk_.rend(); ++name) {
    withdraw(*name);
    pending_.push_front(std::move(*name));
  }
  chunk_.clear();
  effects_.clear();
}

Result<void> Planner::refused(const ServiceTable& wanted, const Transaction& transaction,
                              const std::vector<netfilter::RefusedOperation>& operations) {
  std::map<ServicePortName, Error> at_fault;  // often several operations of one service
  for (const auto& refusal : operations) {
    const auto& operation = transaction[refusal.operation];
    OwnerId owner = 0;
    if (const auto* add = std::get_if<AddChain>(&operation)) owner = add->owner;
    if (const auto* rewrite = std::get_if<RewriteChain>(&operation);
        rewrite != nullptr && !rewrite->owners.empty()) {
      owner = rewrite->owners[std::min<std::size_t>(refusal.rule, rewrite->owners.size() - 1)];
    }
    if (const auto* gone = std::get_if<DeleteChain>(&operation)) {
      // Somebody has begun to jump there since we looked.
      held_.insert(gone->chain);
      continue;
    }
    if (owner == 0 || owners_[owner] == nullptr) {
      const auto* rewrite = std::get_if<RewriteChain>(&operation);
      if (rewrite != nullptr && rewrite->chain.name == ChainName{"KUBE-POSTROUTING"} &&
          hairpin_match_works_ && !layout_.endpoint_chains) {
        // A kernel without xt_bpf: endpoints get chains that tell hairpins apart.
        hairpin_match_works_ = false;
        begin_all(wanted, node_);
        return {};
      }
      return refusal.error;
    }
    at_fault.try_emplace(*owners_[owner], refusal.error);
  }
  for (const auto& [name, error] : at_fault) {
    set_aside_.insert_or_assign(name, error);
    withdraw(name);
  }
  restart_chunk();
  return {};
}

std::vector<SetAside> Planner::set_aside() const {
  std::vector<SetAside> out;
  out.reserve(set_aside_.size());
  for (const auto& [name, error] : set_aside_) out.push_back({name, error});
  return out;
}

}  // namespace modes::iptables
