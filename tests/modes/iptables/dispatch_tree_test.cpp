// Laws of the dispatch tree under random changes: what changes() says, applied step by step, is
// what a tree of the same entries says anew; and a packet that walks the chains arrives.
#include "modes/iptables/dispatch_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace modes::iptables {

static bool operator==(const DispatchTree::Link& a, const DispatchTree::Link& b) {
  return a.prefix == b.prefix && a.bits == b.bits && a.to == b.to && a.by_jump == b.by_jump;
}
static bool operator==(const DispatchTree::Content& a, const DispatchTree::Content& b) {
  return a.entries == b.entries && a.links == b.links;
}

namespace {

using Content = DispatchTree::Content;
using Chains = std::map<ChainName, Content>;

// The longest way: from the root through all levels.
constexpr std::size_t kMaxChains = 8;

enum class Shape : std::uint8_t { dense, sparse, shared_vip, mixed };

struct Case {
  Dispatch dispatch;
  Family family;
  Shape shape;
  std::size_t about;  // how many entries it hovers around
};

class RandomKeys {
 public:
  RandomKeys(const Case& of, unsigned seed) : of_{of}, random_{seed} {}

  DispatchKey key() {
    const auto protocol = std::array{Protocol::tcp, Protocol::udp, Protocol::sctp}[below(3)];
    const auto any_port = Port{static_cast<std::uint16_t>(below(65536))};
    if (!info(of_.dispatch).by_address) {
      const auto base = of_.shape == Shape::sparse ? any_port.value : 30000 + below(400);
      return DispatchKey::of_port(protocol, Port{static_cast<std::uint16_t>(base)});
    }
    auto shape = of_.shape;
    if (shape == Shape::mixed) shape = static_cast<Shape>(below(3));
    switch (shape) {
      case Shape::dense:
        return DispatchKey::of(address(0x0a600000U + below(1024)), protocol, Port{80});
      case Shape::sparse:
        return DispatchKey::of(address(static_cast<std::uint32_t>(random_())), protocol, any_port);
      default:
        return DispatchKey::of(address(0x0a600000U + below(2)), protocol,
                               Port{static_cast<std::uint16_t>(1000 + below(700))});
    }
  }
  std::uint32_t below(std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>{0, bound - 1}(random_);
  }

 private:
  [[nodiscard]] IpAddress address(std::uint32_t number) const {
    if (of_.family == Family::v4) return IpAddress::v4(number);
    std::array<std::byte, 16> bytes{std::byte{0xfd}};
    if (of_.shape == Shape::sparse) bytes[3] = static_cast<std::byte>(number >> 20);
    for (std::size_t i = 0; i < 4; ++i) bytes[15 - i] = static_cast<std::byte>(number >> (8 * i));
    return IpAddress::from_bytes(Family::v6, bytes);
  }

  Case of_;
  std::mt19937 random_;
};

Chains chains_of(const DispatchTree& tree) {
  Chains out;
  for (auto& [name, content] : tree.all()) {
    EXPECT_TRUE(out.emplace(name, std::move(content)).second) << "twice: " << name.view();
  }
  return out;
}

void apply_changes(DispatchTree& tree, Chains& to) {
  std::set<ChainName> seen;
  for (auto& [name, content] : tree.changes()) {
    EXPECT_TRUE(seen.insert(name).second) << "changed twice: " << name.view();
    if (content) {
      to[name] = std::move(*content);
    } else {
      to.erase(name);
    }
  }
  tree.clear_changes();
}

// Every key that the chains below `name` dispatch, each by the one path of prefixes that hold it.
void collect(const Chains& chains, const ChainName& name, std::size_t depth,
             std::map<DispatchKey, DispatchEntry>& into) {
  ASSERT_LE(depth, kMaxChains);
  ASSERT_TRUE(chains.contains(name)) << "dangling link to " << name.view();
  const auto& content = chains.at(name);
  for (const auto& [key, entry] : content.entries) {
    ASSERT_TRUE(into.emplace(key, entry).second);
  }
  std::set<DispatchKey> prefixes;
  for (const auto& link : content.links) {
    EXPECT_EQ(link.by_jump, depth == 1);
    EXPECT_TRUE(prefixes.insert(link.prefix).second) << "a packet would take two ways";
    std::map<DispatchKey, DispatchEntry> below;
    collect(chains, link.to, depth + 1, below);
    EXPECT_FALSE(below.empty());
    for (const auto& [key, entry] : below) {
      EXPECT_EQ(key.prefix(link.bits), link.prefix) << "never reached";
    }
    into.merge(below);
  }
}

class DispatchTreeLaws : public ::testing::TestWithParam<Case> {};

TEST_P(DispatchTreeLaws, ChangesAddUpToWhatATreeBuiltAnewSays) {
  const auto& param = GetParam();
  for (unsigned seed = 0; seed < 2; ++seed) {
    RandomKeys random{param, seed};
    DispatchTree tree{param.dispatch, param.family};
    Chains kernel;
    std::map<DispatchKey, DispatchEntry> wanted;
    for (int step = 0; step < 1500; ++step) {
      // Grows and shrinks through the sizes at which nodes split.
      const bool growing = wanted.size() < param.about / 4 ||
                           (wanted.size() < param.about * 2 && (step / 500) % 2 == 0);
      for (auto count = 1 + random.below(3); count > 0; --count) {
        if (random.below(8) == 0 || (random.below(4) != 0) != growing) {
          if (wanted.empty()) continue;
          auto it = wanted.lower_bound(random.key());
          if (it == wanted.end()) it = wanted.begin();
          tree.erase(it->first, it->second.owner);
          wanted.erase(it);
        } else {
          const auto key = random.key();
          const auto known = wanted.find(key);
          const auto owner = known == wanted.end() ? 1 + random.below(100) : known->second.owner;
          const DispatchEntry entry{owner, DispatchVerdict::jump,
                                    static_cast<DispatchNote>(random.below(4)), "KUBE-SVC-A"};
          tree.put(key, entry);
          wanted[key] = entry;
        }
      }
      apply_changes(tree, kernel);
      if (step % 50 != 0) continue;
      DispatchTree anew{param.dispatch, param.family};
      for (const auto& [key, entry] : wanted) anew.put(key, entry);
      ASSERT_TRUE(kernel == chains_of(anew)) << "step " << step << ", seed " << seed;
      ASSERT_TRUE(chains_of(tree) == chains_of(anew));
      std::map<DispatchKey, DispatchEntry> reached;
      collect(kernel, info(param.dispatch).root, 1, reached);
      ASSERT_EQ(reached, wanted);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Keys, DispatchTreeLaws,
    ::testing::Values(Case{Dispatch::nat_services, Family::v4, Shape::dense, 600},
                      Case{Dispatch::nat_services, Family::v4, Shape::sparse, 600},
                      Case{Dispatch::nat_services, Family::v4, Shape::shared_vip, 600},
                      Case{Dispatch::filter_external, Family::v4, Shape::mixed, 90},
                      Case{Dispatch::nat_services, Family::v6, Shape::dense, 600},
                      Case{Dispatch::filter_firewall, Family::v6, Shape::sparse, 200},
                      Case{Dispatch::nat_services, Family::v6, Shape::mixed, 300},
                      Case{Dispatch::nat_node_ports, Family::v4, Shape::dense, 400},
                      Case{Dispatch::nat_node_ports, Family::v6, Shape::sparse, 400},
                      Case{Dispatch::filter_node_ports, Family::v4, Shape::dense, 70}));

TEST(DispatchTree, IsOneChainAsKubeProxysWhileThereAreFewEntries) {
  DispatchTree tree{Dispatch::nat_services, Family::v4};
  for (std::uint32_t i = 0; i < 64; ++i) {
    tree.put(DispatchKey::of(IpAddress::v4(0x0a600000U + i), Protocol::tcp, Port{80}),
             {i + 1, {}, {}, "KUBE-SVC-A"});
  }
  EXPECT_EQ(tree.all().size(), 1U);
  EXPECT_EQ(tree.all().front().first.view(), "KUBE-SERVICES");
}

TEST(DispatchTree, ChangesFewChainsForOneEntryAmongManyThousands) {
  DispatchTree tree{Dispatch::nat_services, Family::v4};
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    tree.put(DispatchKey::of(IpAddress::v4(0x0a600000U + 2 * i), Protocol::tcp, Port{80}),
             {i + 1, {}, {}, "KUBE-SVC-A"});
  }
  tree.clear_changes();
  tree.put(DispatchKey::of(IpAddress::v4(0x0a600011U), Protocol::udp, Port{53}),
           {99'999, {}, {}, "KUBE-SVC-B"});
  EXPECT_LE(tree.changes().size(), kMaxChains);
  std::size_t rules = 0;
  for (const auto& [name, content] : tree.changes()) {
    ASSERT_TRUE(content);
    rules += content->entries.size() + content->links.size();
  }
  EXPECT_LE(rules, 200U);
}

TEST(DispatchTree, NamesOfDifferentTreesInOneTableNeverMeet) {
  std::set<std::pair<netfilter::Table, std::string>> names;
  for (std::size_t i = 0; i < kDispatches; ++i) {
    const auto dispatch = static_cast<Dispatch>(i);
    for (const auto family : {Family::v4}) {
      DispatchTree tree{dispatch, family};
      RandomKeys random{{dispatch, family, Shape::mixed, 0}, 1};
      for (OwnerId owner = 1; owner < 500; ++owner) tree.put(random.key(), {owner, {}, {}, {}});
      for (const auto& [name, content] : tree.all()) {
        EXPECT_TRUE(names.emplace(info(dispatch).table, name.view()).second) << name.view();
      }
    }
  }
}

TEST(DispatchKey, PrefixesMatchWhatIptablesSpellsWithOneRule) {
  const auto key = DispatchKey::of(IpAddress::v4(0x0a60000aU), Protocol::udp, Port{30208 + 77});
  const auto by_range = key.match(12);
  EXPECT_EQ(by_range.destination->prefix.text(), "10.96.0.0/12");
  EXPECT_FALSE(by_range.protocol);
  const auto by_block = key.match(48);
  EXPECT_EQ(by_block.destination->prefix.text(), "10.96.0.10/32");
  EXPECT_EQ(by_block.protocol, Protocol::udp);
  EXPECT_EQ(by_block.destination_port, (netfilter::PortRange{{30208}, {30208 + 255}}));
  const auto exactly = key.match(key.bits());
  EXPECT_EQ(exactly.destination_port, (netfilter::PortRange{{30285}, {30285}}));
  const auto node_port = DispatchKey::of_port(Protocol::tcp, Port{30001}).match(20);
  EXPECT_FALSE(node_port.destination);
  EXPECT_EQ(node_port.destination_port, (netfilter::PortRange{{30000}, {30015}}));
}

}  // namespace
}  // namespace modes::iptables
