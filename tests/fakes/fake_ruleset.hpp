// nf_tables as a map of chains: applies Transactions as the kernel does, all or nothing, and
// refuses what the kernel refuses.
//
// A rule that jumps to a chain that is not there (ENOENT), a chain that goes while a rule jumps to
// it (EBUSY), anything in a table or chain that is not there (ENOENT), and calls that nest deeper
// than NFT_JUMP_STACK_SIZE or in a ring (EMLINK, ELOOP). Creating what exists is fine.
#pragma once

#include "modes/netfilter/kernel.hpp"
#include "modes/netfilter/rule_codec.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace fakes {

namespace nf = modes::netfilter;

struct FakeRule {
  nf::Rule rule;
  std::uint64_t handle = 0;
  std::optional<nf::Digest> ours;  // nullopt: somebody else's
};

struct FakeChain {
  bool base = false;
  bool marked = false;
  std::vector<FakeRule> rules;
};

[[nodiscard]] inline nf::ChainName jump_target(const nf::Rule& rule) {
  if (const auto* jump = std::get_if<nf::Jump>(&rule.target)) return jump->to;
  if (const auto* go = std::get_if<nf::Goto>(&rule.target)) return go->to;
  return {};
}

class FakeRuleset {
 public:
  using Chains = std::map<nf::ChainKey, FakeChain>;
  // Refuses a message of the kernel's choice: nullopt takes it.
  using Refuse = std::function<std::optional<int>(const nf::Operation&, std::uint32_t rule)>;

  Refuse refuse;

  // ── what others do ──────────────────────────────────────────────────────────────────────────
  void add_foreign_chain(const nf::ChainKey& key, bool base = false) {
    tables_.try_emplace({key.family, key.table}, false);
    chains_.try_emplace(key, FakeChain{.base = base, .marked = false, .rules = {}});
  }
  // At the end, or with `first` at the head.
  void add_foreign_rule(const nf::ChainKey& key, nf::Rule rule, bool first = false) {
    auto& rules = chains_.at(key).rules;
    rules.insert(first ? rules.begin() : rules.end(), {std::move(rule), ++last_handle_, {}});
  }
  void remove_rule(const nf::ChainKey& key, std::size_t index) {
    auto& rules = chains_.at(key).rules;
    rules.erase(rules.begin() + static_cast<std::ptrdiff_t>(index));
  }

  // ── the kernel ──────────────────────────────────────────────────────────────────────────────
  nf::CommitResult commit(const nf::Transaction& transaction) {
    const auto tables = tables_;
    const auto chains = chains_;
    refusals_.clear();
    for (std::uint32_t i = 0; i < transaction.size(); ++i) {
      at_ = i;
      std::visit([&](const auto& operation) { apply(transaction[i], operation); }, transaction[i]);
    }
    if (refusals_.empty()) validate();
    if (refusals_.empty()) return {nf::CommitResult::Kind::committed, ++generation_, {}};
    tables_ = tables;
    chains_ = chains;
    return {nf::CommitResult::Kind::refused, 0, std::exchange(refusals_, {})};
  }

  [[nodiscard]] nf::Observation observe(
      const std::function<bool(const nf::ChainKey&)>& itemised) const {
    nf::Observation out;
    out.generation = generation_;
    out.tables = tables_;
    for (const auto& [key, chain] : chains_) {
      auto& seen = out.chains[key];
      seen.base = chain.base;
      seen.marked = chain.marked;
      for (const auto& rule : chain.rules) {
        const auto target = jump_target(rule.rule);
        if (rule.ours) {
          ++seen.our_rules;
          seen.digest = nf::chain_digest(seen.digest, *rule.ours);
        } else {
          ++seen.foreign_rules;
          if (!target.empty()) out.foreign_jumps.emplace_back(key, target);
        }
        if (chain.base || itemised(key)) seen.rules.push_back({rule.handle, rule.ours, target});
      }
    }
    return out;
  }

  [[nodiscard]] const Chains& chains() const { return chains_; }
  [[nodiscard]] const FakeChain* find(const nf::ChainKey& key) const {
    const auto it = chains_.find(key);
    return it == chains_.end() ? nullptr : &it->second;
  }
  // The rules alone, of all chains.
  [[nodiscard]] std::map<nf::ChainKey, std::vector<nf::Rule>> rules() const {
    std::map<nf::ChainKey, std::vector<nf::Rule>> out;
    for (const auto& [key, chain] : chains_) {
      auto& rules = out[key];
      for (const auto& rule : chain.rules) rules.push_back(rule.rule);
    }
    return out;
  }

 private:
  static constexpr int kJumpStack = 16;  // NFT_JUMP_STACK_SIZE

  void fail(int error, std::uint32_t rule = 0) {
    refusals_.push_back({at_, rule, proxy::system_error(error, "the fake kernel")});
  }
  bool refused(const nf::Operation& operation, std::uint32_t rule = 0) {
    const auto error = refuse ? refuse(operation, rule) : std::nullopt;
    if (error) fail(*error, rule);
    return error.has_value();
  }
  bool table_exists(const nf::ChainKey& key) {
    const bool exists = tables_.contains({key.family, key.table});
    if (!exists) fail(ENOENT);
    return exists;
  }
  FakeChain* chain_of(const nf::ChainKey& key, std::uint32_t rule = 0) {
    const auto it = chains_.find(key);
    if (it == chains_.end()) fail(ENOENT, rule);
    return it == chains_.end() ? nullptr : &it->second;
  }
  void add_rule(const nf::Operation& operation, const nf::ChainKey& key, const nf::Rule& rule,
                bool first, std::uint32_t number) {
    if (refused(operation, number)) return;
    auto* chain = chain_of(key, number);
    if (chain == nullptr) return;
    const auto target = jump_target(rule);
    if (!target.empty() && !chains_.contains({key.family, key.table, target})) {
      return fail(ENOENT, number);
    }
    chain->rules.insert(first ? chain->rules.begin() : chain->rules.end(),
                        {rule, ++last_handle_, nf::digest(key.family, rule)});
  }

  void apply(const nf::Operation& operation, const nf::AddTable& add) {
    if (!refused(operation)) tables_.try_emplace({add.family, add.table}, true);
  }
  void apply(const nf::Operation& operation, const nf::AddBaseChain& add) {
    if (!refused(operation) && table_exists(add.chain))
      chains_.try_emplace(add.chain, FakeChain{.base = true, .marked = true, .rules = {}});
  }
  void apply(const nf::Operation& operation, const nf::AddChain& add) {
    if (!refused(operation) && table_exists(add.chain))
      chains_.try_emplace(add.chain, FakeChain{.base = false, .marked = true, .rules = {}});
  }
  void apply(const nf::Operation& operation, const nf::RewriteChain& rewrite) {
    if (auto* chain = chain_of(rewrite.chain); chain != nullptr && !rewrite.was_empty)
      chain->rules.clear();
    for (std::uint32_t i = 0; i < rewrite.rules.size(); ++i)
      add_rule(operation, rewrite.chain, rewrite.rules[i], false, i);
  }
  void apply(const nf::Operation& operation, const nf::InsertRule& insert) {
    add_rule(operation, insert.chain, insert.rule, true, 0);
  }
  void apply(const nf::Operation& operation, const nf::AppendRule& append) {
    add_rule(operation, append.chain, append.rule, false, 0);
  }
  void apply(const nf::Operation& operation, const nf::DeleteRule& gone) {
    if (refused(operation)) return;
    auto* chain = chain_of(gone.chain);
    if (chain == nullptr) return;
    if (std::erase_if(chain->rules, [&](const auto& rule) { return rule.handle == gone.handle; }) ==
        0)
      fail(ENOENT);
  }
  void apply(const nf::Operation& operation, const nf::DeleteChain& gone) {
    if (refused(operation)) return;
    auto* chain = chain_of(gone.chain);
    if (chain == nullptr) return;
    chain->rules.clear();
    if (is_jumped_to(gone.chain)) return fail(EBUSY);
    chains_.erase(gone.chain);
  }
  void apply(const nf::Operation& operation, const nf::DeleteTable& gone) {
    if (!refused(operation)) tables_.erase({gone.family, gone.table});
  }

  [[nodiscard]] bool is_jumped_to(const nf::ChainKey& to) const {
    return std::ranges::any_of(chains_, [&](const auto& entry) {
      return entry.first.family == to.family && entry.first.table == to.table &&
             std::ranges::any_of(entry.second.rules, [&](const auto& rule) {
               return jump_target(rule.rule) == to.name;
             });
    });
  }

  // As the kernel at commit: from the base chains, every way once.
  void validate() {
    std::map<nf::ChainKey, int> deepest;
    for (const auto& [key, chain] : chains_) {
      if (chain.base) validate(key, 0, 0, deepest);
    }
  }
  void validate(const nf::ChainKey& key, int jumps, int steps,
                std::map<nf::ChainKey, int>& deepest) {
    if (!refusals_.empty()) return;
    if (jumps >= kJumpStack) return fail(EMLINK);
    if (steps > 100) return fail(ELOOP);
    const auto [it, is_new] = deepest.try_emplace(key, jumps);
    if (!is_new && it->second >= jumps) return;
    it->second = jumps;
    for (const auto& rule : chains_.at(key).rules) {
      const auto to = jump_target(rule.rule);
      if (to.empty()) continue;
      const bool jump = std::holds_alternative<nf::Jump>(rule.rule.target);
      validate({key.family, key.table, to}, jumps + (jump ? 1 : 0), steps + 1, deepest);
    }
  }

  std::map<std::pair<nf::Family, nf::Table>, bool> tables_;
  Chains chains_;
  std::uint64_t last_handle_ = 0;
  std::uint32_t generation_ = 1;
  std::uint32_t at_ = 0;
  std::vector<nf::RefusedOperation> refusals_;
};

}  // namespace fakes
