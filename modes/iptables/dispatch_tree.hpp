// Dispatch by a tree of chains: the first packet of a connection crosses tens of rules among 30,000
// services, and traffic that is no service's leaves after a handful.
//
// Each node covers the keys that share a prefix, at fixed prefix lengths (bits), about 16-way. A
// node of few entries is a chain of their rules, as kube-proxy has them all in KUBE-SERVICES; a
// node of many is a chain with one rule for each node below. The shape is a function of the entries
// alone, so a restart finds what it left; adding or removing an entry changes the chains on one
// path.
#pragma once

#include "modes/iptables/dispatch.hpp"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace modes::iptables {

class DispatchTree {
 public:
  DispatchTree(Dispatch dispatch, Family family);

  void put(const DispatchKey& key, const DispatchEntry& entry);
  void erase(const DispatchKey& key, OwnerId owner);

  // What a chain of the tree holds: entries, or links to chains below (from the root by jump, so
  // that its further rules are met afterwards, elsewhere by goto).
  struct Link {
    DispatchKey prefix;
    unsigned bits = 0;
    ChainName to;
    bool by_jump = false;
  };
  struct Content {
    std::vector<std::pair<DispatchKey, DispatchEntry>> entries;
    std::vector<Link> links;
  };

  // Chains whose content may have changed since clear_changes(); with nullopt those that are not
  // wanted any more.
  [[nodiscard]] std::vector<std::pair<ChainName, std::optional<Content>>> changes() const;
  void clear_changes() { dirty_.clear(); }
  // All chains; the root is always there.
  [[nodiscard]] std::vector<std::pair<ChainName, Content>> all() const;

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  // Level 0 is the root; level i covers the first kLevels[i - 1] bits.
  struct NodeKey {
    unsigned level = 0;
    DispatchKey prefix;
    friend auto operator<=>(const NodeKey&, const NodeKey&) = default;
    friend bool operator==(const NodeKey&, const NodeKey&) = default;
  };
  using EntryKey = std::pair<DispatchKey, OwnerId>;

  [[nodiscard]] unsigned bits(unsigned level) const { return level == 0 ? 0 : levels_[level - 1]; }
  [[nodiscard]] NodeKey node(unsigned level, const DispatchKey& key) const;
  [[nodiscard]] std::size_t count(const NodeKey& node) const;
  [[nodiscard]] bool splits(const NodeKey& node) const;   // has chains below instead of entries
  [[nodiscard]] bool visible(const NodeKey& node) const;  // has a chain
  [[nodiscard]] std::vector<NodeKey> children(const NodeKey& node) const;
  [[nodiscard]] ChainName name(const NodeKey& node) const;
  [[nodiscard]] Content content(const NodeKey& node) const;
  void add(const DispatchKey& key, int difference);
  void touch_subtree(const NodeKey& node);
  void collect(const NodeKey& node, std::vector<std::pair<ChainName, Content>>& into) const;

  Dispatch dispatch_;
  std::span<const unsigned> levels_;
  std::map<EntryKey, DispatchEntry> entries_;
  std::map<NodeKey, std::size_t> counts_;  // of levels below the root, never 0
  std::set<NodeKey> dirty_;
};

}  // namespace modes::iptables
