#include "modes/ipvs/predecessors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace modes::ipvs {
namespace {

using netfilter::ChainKey;
using netfilter::DeleteChain;
using netfilter::DeleteRule;
using netfilter::Family;
using netfilter::Observation;
using netfilter::ObservedRule;
using netfilter::RewriteChain;
using netfilter::Table;
using netfilter::Transaction;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

ChainKey nat(const char* name) {
  return {Family::v4, Table::nat, name};
}
ChainKey filter(const char* name) {
  return {Family::v4, Table::filter, name};
}

class Predecessors : public testing::Test {
 protected:
  void chain(const ChainKey& key, bool base = false) { seen_.chains[key].base = base; }
  // A rule of somebody else's.
  void rule(const ChainKey& in, std::uint64_t handle, const char* jumps_to = "") {
    auto& chain = seen_.chains[in];
    chain.rules.push_back({handle, std::nullopt, jumps_to});
    ++chain.foreign_rules;
    if (*jumps_to != '\0') seen_.foreign_jumps.emplace_back(in, jumps_to);
  }
  Observation seen_;
};

TEST_F(Predecessors, ChainsOfKubeProxysIpvsModeGoWithTheJumpsToThem) {
  chain(filter("INPUT"), true);
  rule(filter("INPUT"), 7, "KUBE-IPVS-FILTER");
  rule(filter("INPUT"), 8, "KUBE-FIREWALL");
  rule(filter("KUBE-IPVS-FILTER"), 9);
  rule(filter("KUBE-FIREWALL"), 10);
  EXPECT_THAT(evict_proxies(seen_),
              ElementsAre(DeleteRule{filter("INPUT"), 7},
                          RewriteChain{filter("KUBE-IPVS-FILTER"), false, {}, {}},
                          DeleteChain{filter("KUBE-IPVS-FILTER"), 0}));
  EXPECT_FALSE(seen_.chains.contains(filter("KUBE-IPVS-FILTER")));
  EXPECT_THAT(seen_.foreign_jumps, SizeIs(1)) << "a kubelet's";
}

TEST_F(Predecessors, AllChainsAreEmptiedBeforeAnyGoes) {
  rule(nat("KUBE-SERVICES"), 1, "KUBE-SVC-AAAAAAAAAAAAAAAA");
  rule(nat("KUBE-SVC-AAAAAAAAAAAAAAAA"), 2, "KUBE-SEP-BBBBBBBBBBBBBBBB");
  rule(nat("KUBE-SEP-BBBBBBBBBBBBBBBB"), 3);
  const auto steps = evict_proxies(seen_);
  ASSERT_THAT(steps, SizeIs(6));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::holds_alternative<RewriteChain>(steps[i]));
    EXPECT_TRUE(std::holds_alternative<DeleteChain>(steps[i + 3]));
  }
}

TEST_F(Predecessors, AChainThatOthersJumpToStaysEmpty) {
  rule(nat("KUBE-SVC-AAAAAAAAAAAAAAAA"), 1);
  rule(nat("MINE"), 2, "KUBE-SVC-AAAAAAAAAAAAAAAA");
  EXPECT_THAT(evict_proxies(seen_),
              ElementsAre(RewriteChain{nat("KUBE-SVC-AAAAAAAAAAAAAAAA"), false, {}, {}}));
}

TEST_F(Predecessors, ANodeWithoutAProxyIsLeftAsItIs) {
  chain(nat("PREROUTING"), true);
  rule(nat("PREROUTING"), 1, "DOCKER");
  rule(nat("DOCKER"), 2);
  rule(nat("KUBE-MARK-MASQ"), 3);
  rule(filter("KUBE-SOMETHING"), 4);
  EXPECT_THAT(evict_proxies(seen_), IsEmpty());
}

}  // namespace
}  // namespace modes::ipvs
