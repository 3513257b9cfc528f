#include "modes/netfilter/conntrack_plan.hpp"

#include "tests/proxy/state/builders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace modes::netfilter {
namespace {

using namespace proxy::state::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Scope = ConntrackRule::Scope;

const UdpFront kVip{ip("10.96.0.10"), Port{53}};
const UdpFront kNodePort{IpAddress::any(Family::v4), Port{30053}};
const EndpointList kServing{endpoint("10.0.0.1", 5353), endpoint("10.0.0.2", 5353)};
const std::vector kNodeAddresses{ip("192.168.0.2")};

bool stale(const std::vector<ConntrackRule>& rules, const Endpoint& to, const Endpoint& replier) {
  return ConntrackJudge{rules, kNodeAddresses}.is_stale({to.address, to.port, replier});
}

TEST(ConntrackPlan, TheFrontsOfAServicePortAreItsVipsAndItsNodePort) {
  proxy::state::ServicePort port;
  port.cluster_ip = ip("10.96.0.10");
  port.load_balancer_ips = {ip("198.51.100.1")};
  port.external_ips = {ip("192.0.2.1")};
  port.port = Port{53};
  port.node_port = Port{30053};
  port.serving_endpoints = kServing;

  const auto service = udp_service(Family::v4, port);

  EXPECT_THAT(service.fronts, UnorderedElementsAre(kVip, UdpFront{ip("198.51.100.1"), Port{53}},
                                                   UdpFront{ip("192.0.2.1"), Port{53}}, kNodePort));
  EXPECT_EQ(service.serving, kServing);
}

TEST(ConntrackPlan, AFlowToAVipIsKeptWhileItsReplierServes) {
  const std::vector services{UdpService{{kVip}, kServing}};
  const auto rules = conntrack_plan(services, {});
  EXPECT_FALSE(stale(rules, endpoint("10.96.0.10", 53), endpoint("10.0.0.1", 5353)));
  EXPECT_TRUE(stale(rules, endpoint("10.96.0.10", 53), endpoint("10.0.0.3", 5353)));
  EXPECT_TRUE(stale(rules, endpoint("10.96.0.10", 53), endpoint("10.0.0.1", 53)));
  EXPECT_TRUE(stale(rules, endpoint("10.96.0.10", 53), endpoint("10.96.0.10", 53)));
  EXPECT_FALSE(stale(rules, endpoint("10.96.0.10", 54), endpoint("10.0.0.3", 5353)));
  EXPECT_FALSE(stale(rules, endpoint("10.96.0.11", 53), endpoint("10.0.0.3", 5353)));
}

TEST(ConntrackPlan, AVipWithoutServingEndpointLosesAllItsFlows) {
  const std::vector services{UdpService{{kVip}, {}}};
  const auto rules = conntrack_plan(services, {});
  EXPECT_TRUE(stale(rules, endpoint("10.96.0.10", 53), endpoint("10.0.0.1", 5353)));
}

TEST(ConntrackPlan, ANodePortIsJudgedOnWhateverAddress) {
  const std::vector services{UdpService{{kNodePort}, kServing}};
  const auto rules = conntrack_plan(services, {});
  EXPECT_TRUE(stale(rules, endpoint("192.168.0.2", 30053), endpoint("10.0.0.9", 5353)));
  EXPECT_TRUE(stale(rules, endpoint("203.0.113.7", 30053), endpoint("203.0.113.7", 30053)));
  EXPECT_FALSE(stale(rules, endpoint("192.168.0.2", 30053), endpoint("10.0.0.2", 5353)));
  EXPECT_FALSE(stale(rules, endpoint("fd00::2", 30053), endpoint("fd00::9", 5353)));
}

TEST(ConntrackPlan, ANodePortThatIsGoneIsJudgedOnAddressesOfTheNodeOnly) {
  const std::vector gone{kNodePort};
  const auto rules = conntrack_plan({}, gone);
  EXPECT_TRUE(stale(rules, endpoint("192.168.0.2", 30053), endpoint("10.0.0.1", 5353)));
  EXPECT_FALSE(stale(rules, endpoint("203.0.113.7", 30053), endpoint("203.0.113.7", 30053)));
}

TEST(ConntrackPlan, AVipThatMovedIsJudgedByItsNewOwner) {
  const std::vector services{UdpService{{kVip}, kServing}};
  const std::vector gone{kVip, kNodePort};
  const auto rules = conntrack_plan(services, gone);
  EXPECT_THAT(rules, SizeIs(2));
  EXPECT_FALSE(stale(rules, endpoint("10.96.0.10", 53), endpoint("10.0.0.1", 5353)));
}

ConntrackRule rule(std::string_view address, std::uint16_t port, EndpointList keep) {
  return {Scope::one_address, ip(address), Port{port}, std::move(keep)};
}

TEST(ConntrackWalks, AFewRulesHaveTheNarrowestFilterEach) {
  const std::vector rules{
      rule("10.96.0.10", 53, kServing),
      ConntrackRule{Scope::every_address, IpAddress::any(Family::v4), Port{30053}, kServing},
      ConntrackRule{Scope::node_addresses, IpAddress::any(Family::v4), Port{30054}, {}},
      rule("fd00::10", 53, {})};
  EXPECT_THAT(conntrack_walks(rules, 4),
              ElementsAre(ConntrackWalk{Family::v4, ip("10.96.0.10"), Port{53}, false},
                          ConntrackWalk{Family::v4, std::nullopt, Port{30053}, false},
                          ConntrackWalk{Family::v4, std::nullopt, Port{30054}, false},
                          ConntrackWalk{Family::v6, std::nullopt, Port{53}, false}));
}

TEST(ConntrackWalks, ManyRulesShareOneWalkWithWhatTheyHaveInCommon) {
  std::vector<ConntrackRule> rules;
  for (int i = 1; i <= 5; ++i) rules.push_back(rule("10.96.0." + std::to_string(i), 53, {}));
  EXPECT_THAT(conntrack_walks(rules, 4),
              ElementsAre(ConntrackWalk{Family::v4, std::nullopt, Port{53}, false}));
  rules.push_back(rule("10.96.0.1", 54, {}));
  EXPECT_THAT(conntrack_walks(rules, 4),
              ElementsAre(ConntrackWalk{Family::v4, std::nullopt, std::nullopt, false}));
}

TEST(ConntrackWalks, NoFilterNamesAnIpv6AddressForTheKernelWouldTakeAllOthers) {
  const std::vector rules{rule("fd00::10", 53, {})};
  EXPECT_THAT(conntrack_walks(rules, 4),
              ElementsAre(ConntrackWalk{Family::v6, std::nullopt, Port{53}, false}));
}

TEST(ConntrackWalks, RulesWithOneNarrowestFilterShareItsWalk) {
  std::vector<ConntrackRule> rules;
  for (int i = 1; i <= 9; ++i) rules.push_back(rule("fd00::" + std::to_string(i), 53, {}));
  EXPECT_THAT(conntrack_walks(rules, 1),
              ElementsAre(ConntrackWalk{Family::v6, std::nullopt, Port{53}, false}));
}

TEST(ConntrackWalks, ANodePortWithoutEndpointsLosesItsFlowsUnseenInBothFamilies) {
  for (const auto family : proxy::kFamilies) {
    const std::vector rules{
        ConntrackRule{Scope::every_address, IpAddress::any(family), Port{30053}, {}}};
    EXPECT_THAT(conntrack_walks(rules, 4),
                ElementsAre(ConntrackWalk{family, std::nullopt, Port{30053}, true}));
  }
}

TEST(ConntrackWalks, WithoutABudgetTheFamiliesHaveOneEach) {
  const std::vector rules{rule("10.96.0.10", 53, {}), rule("fd00::10", 53, kServing),
                          rule("fd00::10", 54, kServing)};
  EXPECT_THAT(conntrack_walks(rules, 0),
              ElementsAre(ConntrackWalk{Family::v4, ip("10.96.0.10"), Port{53}, true},
                          ConntrackWalk{Family::v6, std::nullopt, std::nullopt, false}));
}

TEST(ConntrackWalks, WithoutRulesTheKernelIsLeftAlone) {
  EXPECT_THAT(conntrack_walks({}, 4), IsEmpty());
}

}  // namespace
}  // namespace modes::netfilter
