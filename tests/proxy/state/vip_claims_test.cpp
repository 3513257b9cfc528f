#include "proxy/state/vip_claims.hpp"

#include "tests/proxy/state/builders.hpp"

#include <gtest/gtest.h>

namespace proxy::state {
namespace {

using namespace proxy::state::testing;

const Vip kVip{ip("192.0.2.1"), Port{80}, Protocol::tcp};
const auto kA = port_name("a");
const auto kB = port_name("b");
const auto kC = port_name("c");

TEST(VipClaims, TheFirstClaimantHasTheVipUntilItGoes) {
  VipClaims claims;
  EXPECT_FALSE(claims.add(kVip, VipRole::external_ip, kA));
  EXPECT_EQ(claims.owner(kVip), &kA);
  EXPECT_FALSE(claims.remove(kVip, VipRole::external_ip, kA));
  EXPECT_EQ(claims.owner(kVip), nullptr);
  EXPECT_TRUE(claims.empty());
}

TEST(VipClaims, AClusterIpBeatsALoadBalancerIpBeatsAnExternalIpWhateverTheNames) {
  VipClaims claims;
  claims.add(kVip, VipRole::external_ip, kA);
  EXPECT_EQ(claims.add(kVip, VipRole::load_balancer_ip, kB).value().claimant, &kA);
  EXPECT_EQ(claims.add(kVip, VipRole::cluster_ip, kC).value().claimant, &kB);
  EXPECT_EQ(claims.owner(kVip), &kC);
  EXPECT_EQ(claims.remove(kVip, VipRole::cluster_ip, kC).value().claimant, &kB);
  EXPECT_EQ(claims.remove(kVip, VipRole::load_balancer_ip, kB).value().claimant, &kA);
}

TEST(VipClaims, AmongEqualsTheLowestNameHasIt) {
  VipClaims claims;
  claims.add(kVip, VipRole::external_ip, kB);
  EXPECT_FALSE(claims.add(kVip, VipRole::external_ip, kC));
  EXPECT_EQ(claims.add(kVip, VipRole::external_ip, kA).value().claimant, &kB);
  EXPECT_FALSE(claims.remove(kVip, VipRole::external_ip, kC));
  EXPECT_EQ(claims.remove(kVip, VipRole::external_ip, kA).value().claimant, &kB);
}

TEST(VipClaims, PortProtocolAndFamilyOfANodePortAreApart) {
  VipClaims claims;
  claims.add(kVip, VipRole::external_ip, kA);
  EXPECT_EQ(claims.owner({kVip.address, Port{81}, Protocol::tcp}), nullptr);
  EXPECT_EQ(claims.owner({kVip.address, Port{80}, Protocol::udp}), nullptr);
  claims.add(Vip::node_port(Family::v4, Port{30001}, Protocol::tcp), VipRole::node_port, kA);
  EXPECT_EQ(claims.owner(Vip::node_port(Family::v6, Port{30001}, Protocol::tcp)), nullptr);
}

TEST(VipClaims, AVipIsPrintedAsPeopleWriteIt) {
  EXPECT_EQ(kVip.text(), "192.0.2.1:80/TCP");
  EXPECT_EQ((Vip{ip("fd00::1"), Port{53}, Protocol::udp}.text()), "[fd00::1]:53/UDP");
  EXPECT_EQ(Vip::node_port(Family::v6, Port{30001}, Protocol::sctp).text(),
            "node port 30001/SCTP (IPv6)");
}

}  // namespace
}  // namespace proxy::state
