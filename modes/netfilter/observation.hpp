// What is really in the kernel's tables `nat` and `filter`, as far as a planner must know.
//
// Most chains are kept as one digest: a ruleset of 100,000 rules is observed in a few megabytes.
#pragma once

#include "modes/netfilter/attribute_reader.hpp"
#include "modes/netfilter/rule_codec.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace modes::netfilter {

struct ObservedRule {
  std::uint64_t handle = 0;
  std::optional<Digest> ours;  // nullopt: somebody else's
  ChainName jumps_to;          // empty: to no chain, or to one whose name cannot be ours
};

struct ObservedChain {
  bool base = false;
  bool marked = false;  // created by us
  std::uint32_t our_rules = 0;
  std::uint32_t foreign_rules = 0;
  Digest digest = 0;                // of all rules when foreign_rules is 0
  std::vector<ObservedRule> rules;  // of chains that were asked for rule by rule
};

struct Observation {
  std::uint32_t generation = 0;
  std::map<std::pair<Family, Table>, bool> tables;  // is it marked as created by us?
  std::unordered_map<ChainKey, ObservedChain> chains;
  // Tables with chains or sets that cannot be ours by their names.
  std::set<std::pair<Family, Table>> foreign_chains;
  // Jumps from rules that are not ours: from which chain, to which.
  std::vector<std::pair<ChainKey, ChainName>> foreign_jumps;

  [[nodiscard]] const ObservedChain* find(const ChainKey& key) const {
    const auto it = chains.find(key);
    return it == chains.end() ? nullptr : &it->second;
  }
};

// Adds to an Observation what dump messages say (NFT_MSG_NEWTABLE, NEWCHAIN, NEWRULE). Rules must
// come after their chains. Any bytes are safe.
class ObservationReader {
 public:
  // `itemised` says of which chains the rules are kept one by one, besides the base chains.
  ObservationReader(Observation& into, std::function<bool(const ChainKey&)> itemised)
      : into_{into}, itemised_{std::move(itemised)} {}
  void read(const Message& message);

 private:
  void read_table(Family family, Bytes attributes);
  void read_chain(Family family, Bytes attributes);
  void read_rule(Family family, Bytes attributes);

  Observation& into_;
  std::function<bool(const ChainKey&)> itemised_;
};

// The parts of a rule message that matter; used for notifications as well.
struct RuleMessage {
  ChainKey chain;
  ObservedRule rule;
};
// nullopt if it is not in one of our tables, or malformed.
[[nodiscard]] std::optional<RuleMessage> parse_rule(Family family, Bytes attributes);
// The key and whether it is a base chain and marked.
struct ChainMessage {
  ChainKey chain;
  bool base = false;
  bool marked = false;
};
[[nodiscard]] std::optional<ChainMessage> parse_chain(Family family, Bytes attributes);

}  // namespace modes::netfilter
