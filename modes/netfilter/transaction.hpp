// What to change in nf_tables, as data, and as one atomic netlink transaction.
#pragma once

#include "modes/netfilter/rule.hpp"

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace modes::netfilter {

// Whose operation it is, so that the kernel's refusal can be mapped back; the planner gives the
// numbers a meaning. 0: nobody's in particular.
using OwnerId = std::uint32_t;

struct AddTable {  // marked as ours
  Family family = Family::v4;
  Table table = Table::nat;
  friend bool operator==(const AddTable&, const AddTable&) = default;
};
// A base chain of iptables (PREROUTING, INPUT …) with its hook and priority, policy accept, marked.
struct AddBaseChain {
  ChainKey chain;
  friend bool operator==(const AddBaseChain&, const AddBaseChain&) = default;
};
struct AddChain {  // marked as ours
  ChainKey chain;
  OwnerId owner = 0;
  friend bool operator==(const AddChain&, const AddChain&) = default;
};
// All rules that are in the chain go, these come.
struct RewriteChain {
  ChainKey chain;
  bool was_empty = false;  // a new chain: nothing to flush
  std::vector<Rule> rules;
  std::vector<OwnerId> owners;  // of each rule; one for all, if its size is 1
  friend bool operator==(const RewriteChain&, const RewriteChain&) = default;
};
struct InsertRule {  // at the head
  ChainKey chain;
  Rule rule;
  friend bool operator==(const InsertRule&, const InsertRule&) = default;
};
struct AppendRule {
  ChainKey chain;
  Rule rule;
  friend bool operator==(const AppendRule&, const AppendRule&) = default;
};
struct DeleteRule {
  ChainKey chain;
  std::uint64_t handle = 0;
  friend bool operator==(const DeleteRule&, const DeleteRule&) = default;
};
struct DeleteChain {  // flushes it first
  ChainKey chain;
  OwnerId owner = 0;
  friend bool operator==(const DeleteChain&, const DeleteChain&) = default;
};
struct DeleteTable {  // which has no chains left
  Family family = Family::v4;
  Table table = Table::nat;
  friend bool operator==(const DeleteTable&, const DeleteTable&) = default;
};
using Operation = std::variant<AddTable, AddBaseChain, AddChain, RewriteChain, InsertRule,
                               AppendRule, DeleteRule, DeleteChain, DeleteTable>;

// In order; the kernel takes all or nothing.
using Transaction = std::vector<Operation>;

// A rough estimate, in bytes of netlink, for dividing large loads.
[[nodiscard]] inline std::size_t encoded_size(const Operation& operation) {
  constexpr std::size_t kMessage = 100, kRule = 450;
  if (const auto* rewrite = std::get_if<RewriteChain>(&operation)) {
    return kMessage + rewrite->rules.size() * kRule;
  }
  return kRule;
}

}  // namespace modes::netfilter
