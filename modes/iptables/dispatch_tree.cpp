#include "modes/iptables/dispatch_tree.hpp"

#include "modes/iptables/chain_names.hpp"

#include <array>
#include <cassert>

namespace modes::iptables {
namespace {

// Lengths in bits of the prefixes at which nodes stand. Jumps may nest 16 deep in the kernel
// (NFT_JUMP_STACK_SIZE); with these the longest way from PREROUTING to the last chain of a service
// stays within it. IPv4: /12 tells service ranges apart, below it 16-way. IPv6: service ranges are
// /108 or longer. Last, ports of one address in blocks of 256.
constexpr std::array<unsigned, 7> kIpv4Levels{12, 16, 20, 24, 28, 32, 48};
constexpr std::array<unsigned, 7> kIpv6Levels{64, 112, 116, 120, 124, 128, 144};
constexpr std::array<unsigned, 2> kPortLevels{16, 20};  // protocol and 256 ports, 16 ports

constexpr std::size_t kRow = 16;      // entries that stand in a row in one chain
constexpr std::size_t kRootRow = 64;  // in the root: small clusters look as they always did

std::span<const unsigned> levels_of(Dispatch dispatch, Family family) {
  if (!info(dispatch).by_address) return kPortLevels;
  if (family == Family::v4) return kIpv4Levels;
  return kIpv6Levels;
}

}  // namespace

DispatchTree::DispatchTree(Dispatch dispatch, Family family)
    : dispatch_{dispatch}, levels_{levels_of(dispatch, family)} {
  dirty_.insert(NodeKey{});
}

DispatchTree::NodeKey DispatchTree::node(unsigned level, const DispatchKey& key) const {
  return level == 0 ? NodeKey{} : NodeKey{level, key.prefix(bits(level))};
}

std::size_t DispatchTree::count(const NodeKey& node) const {
  if (node.level == 0) return entries_.size();
  const auto it = counts_.find(node);
  return it == counts_.end() ? 0 : it->second;
}

bool DispatchTree::splits(const NodeKey& node) const {
  return node.level < levels_.size() && count(node) > (node.level == 0 ? kRootRow : kRow);
}

bool DispatchTree::visible(const NodeKey& node) const {
  if (count(node) == 0) return node.level == 0;
  for (unsigned level = 0; level < node.level; ++level) {
    if (!splits(this->node(level, node.prefix))) return false;
  }
  return true;
}

std::vector<DispatchTree::NodeKey> DispatchTree::children(const NodeKey& parent) const {
  std::vector<NodeKey> out;
  const auto level = parent.level + 1;
  for (auto it = counts_.lower_bound(NodeKey{level, parent.prefix}); it != counts_.end(); ++it) {
    if (it->first.level != level || node(parent.level, it->first.prefix) != parent) break;
    out.push_back(it->first);
  }
  return out;
}

ChainName DispatchTree::name(const NodeKey& node) const {
  if (node.level == 0) return info(dispatch_).root;
  auto path = node.prefix.hex(bits(node.level));
  const std::string prefix = std::string{"KUBE-SVCT-"} + info(dispatch_).tag;
  if (prefix.size() + path.size() > ChainName::kMaxSize) path = base32_hash(path);
  return ChainName{prefix + path};
}

DispatchTree::Content DispatchTree::content(const NodeKey& of) const {
  Content out;
  if (splits(of)) {
    for (const auto& child : children(of)) {
      out.links.push_back({child.prefix, bits(child.level), name(child), of.level == 0});
    }
    return out;
  }
  for (auto it = entries_.lower_bound(EntryKey{of.prefix, 0}); it != entries_.end(); ++it) {
    const auto& [key, owner] = it->first;
    if (node(of.level, key) != of) break;
    if (out.entries.empty() || out.entries.back().first != key) {
      out.entries.emplace_back(key, it->second);
      continue;
    }
    // Of several owners of one key (the ports of a Service share its health check) one is in force,
    // told by its chain's name: an owner's number is another after a restart.
    if (auto& in_force = out.entries.back().second; it->second.to < in_force.to)
      in_force = it->second;
  }
  return out;
}

// Counts one entry more or less, and marks what that changes: the nodes on its path, and what lies
// below a node that splits now or no longer does (no more entries than a row holds).
void DispatchTree::add(const DispatchKey& key, int difference) {
  std::array<bool, 8> split_before{};
  assert(levels_.size() < split_before.size());
  for (unsigned level = 0; level <= levels_.size(); ++level) {
    // The root's count is that of the entries, which the caller has changed already.
    const auto at = node(level, key);
    const auto limit = level == 0 ? kRootRow : kRow;
    const auto before = level == 0
                            ? static_cast<std::size_t>(static_cast<long>(count(at)) - difference)
                            : count(at);
    split_before[level] = level < levels_.size() && before > limit;
    if (level == 0) continue;
    const auto after = static_cast<std::size_t>(static_cast<long>(before) + difference);
    if (after == 0) {
      counts_.erase(at);
    } else {
      counts_[at] = after;
    }
  }
  for (unsigned level = 0; level <= levels_.size(); ++level) {
    const auto at = node(level, key);
    if (split_before[level] != splits(at)) return touch_subtree(at);
    dirty_.insert(at);
    if (!splits(at)) return;
  }
}

void DispatchTree::touch_subtree(const NodeKey& node) {
  dirty_.insert(node);
  if (node.level == levels_.size()) return;
  for (const auto& child : children(node)) touch_subtree(child);
}

void DispatchTree::put(const DispatchKey& key, const DispatchEntry& entry) {
  const auto [it, inserted] = entries_.insert_or_assign(EntryKey{key, entry.owner}, entry);
  add(key, inserted ? 1 : 0);
}

void DispatchTree::erase(const DispatchKey& key, OwnerId owner) {
  // The whole path may lose its nodes; mark them while they are there.
  for (unsigned level = 0; level <= levels_.size(); ++level) {
    if (visible(node(level, key))) dirty_.insert(node(level, key));
  }
  if (entries_.erase(EntryKey{key, owner}) > 0) add(key, -1);
}

std::vector<std::pair<ChainName, std::optional<DispatchTree::Content>>> DispatchTree::changes()
    const {
  std::vector<std::pair<ChainName, std::optional<Content>>> out;
  for (const auto& node : dirty_) {
    auto what = visible(node) ? std::optional{content(node)} : std::nullopt;
    out.emplace_back(name(node), std::move(what));
  }
  return out;
}

void DispatchTree::collect(const NodeKey& node,
                           std::vector<std::pair<ChainName, Content>>& into) const {
  into.emplace_back(name(node), content(node));
  if (!splits(node)) return;
  for (const auto& child : children(node)) collect(child, into);
}

std::vector<std::pair<ChainName, DispatchTree::Content>> DispatchTree::all() const {
  std::vector<std::pair<ChainName, Content>> out;
  collect(NodeKey{}, out);
  return out;
}

}  // namespace modes::iptables
