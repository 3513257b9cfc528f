// What is planned for a service port: the kernel's elements when it is steered, places to listen at
// when it is not.
#include "modes/userspace/direct_mode.hpp"
#include "modes/userspace/steering/elements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace modes::userspace {
namespace {

using proxy::state::Endpoint;
using proxy::state::TrafficPolicy;
using steering::elements_of;
using steering::Fate;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const ServicePortName kName{.service = {"ns", "web"}, .port = "http"};
const IpAddress kClusterIp = IpAddress::v4(0x0a600001);
const IpAddress kBalancer = IpAddress::v4(0xc0000201);
const IpAddress kNode = IpAddress::v4(0xc0a80002);

std::uint32_t number(Fate fate) {
  return static_cast<std::uint32_t>(fate);
}
IpPrefix range(std::uint32_t address, std::uint8_t length) {
  return {IpAddress::v4(address), length};
}
ServicePort served() {
  ServicePort port;
  port.cluster_ip = kClusterIp;
  port.port = Port{80};
  port.cluster_endpoints = port.serving_endpoints =
      std::vector<Endpoint>{{IpAddress::v4(0x0af40001), Port{8080}}};
  port.has_any_endpoint = true;
  return port;
}

TEST(SteeringElements, OfAServiceAreItsVipsAndItsNodePort) {
  auto port = served();
  port.load_balancer_ips = {kBalancer};
  port.node_port = Port{30001};
  const auto elements = elements_of(kName, port, {});
  ASSERT_EQ(elements.vips.size(), 2U);
  EXPECT_EQ(elements.vips[0].address, kClusterIp);
  EXPECT_EQ(elements.vips[0].number, number(Fate::cluster_ip));
  EXPECT_EQ(elements.vips[1].number, number(Fate::external));
  ASSERT_EQ(elements.node_ports.size(), 1U);
  EXPECT_EQ(elements.node_ports[0].port, Port{30001});
  EXPECT_THAT(elements.sources, IsEmpty());
}

TEST(SteeringElements, OfAServiceWithoutEndpointsRefuse) {
  ServicePort port;
  port.cluster_ip = kClusterIp;
  port.port = Port{80};
  port.load_balancer_ips = {kBalancer};
  const auto elements = elements_of(kName, port, {});
  EXPECT_EQ(elements.vips[0].number, number(Fate::reject));
  EXPECT_EQ(elements.vips[1].number, number(Fate::external_reject));
}

TEST(SteeringElements, AreNoneForSctp) {
  auto name = kName;
  name.protocol = Protocol::sctp;
  EXPECT_TRUE(elements_of(name, served(), {}).empty());
}

TEST(SteeringElements, GuardALoadBalancerIpWithSourceRanges) {
  auto port = served();
  port.load_balancer_ips = {kBalancer};
  port.source_ranges = {{range(0xcb007100, 24), range(0xc0a80000, 16)}};
  const auto elements = elements_of(kName, port, {kNode});
  EXPECT_EQ(elements.vips[1].number, number(Fate::external) | steering::kGuarded);
  // The node is in a range, so what it sends from the balancer's own address may pass.
  std::vector<IpPrefix> sources;
  for (const auto& element : elements.sources) sources.push_back(element.source);
  EXPECT_THAT(sources, UnorderedElementsAre(range(0xcb007100, 24), range(0xc0a80000, 16),
                                            IpPrefix::host(kBalancer)));
}

TEST(SteeringElements, NeverNameAnAddressTwiceNorOverlappingRanges) {
  std::mt19937 engine{3};
  for (int round = 0; round < 500; ++round) {
    const auto address = [&] { return IpAddress::v4(0xc0000200U | engine() % 4U); };
    auto port = served();
    for (unsigned i = engine() % 4; i > 0; --i) port.load_balancer_ips.push_back(address());
    for (unsigned i = engine() % 4; i > 0; --i) port.external_ips.push_back(address());
    port.source_ranges.emplace();
    for (unsigned i = 1 + engine() % 4; i > 0; --i) {
      const auto length = static_cast<std::uint8_t>(8 + engine() % 3 * 8);
      const auto mask = ~std::uint32_t{0} << (32U - length);
      port.source_ranges->push_back(range((0x0a000000U | engine() % 0x20000U) & mask, length));
    }
    const auto elements = elements_of(kName, port, {});
    EXPECT_EQ(elements, elements_of(kName, port, {}));
    for (std::size_t i = 1; i < elements.vips.size(); ++i) {
      EXPECT_LT(elements.vips[i - 1].address, elements.vips[i].address);
    }
    for (const auto& one : elements.sources) {
      for (const auto& other : elements.sources) {
        const bool apart = one.address != other.address || one == other ||
                           !other.source.contains(one.source.address);
        EXPECT_TRUE(apart);
      }
    }
  }
}

TEST(DirectPlaces, AreTheVipsThatAreAddressesOfThisMachine) {
  auto port = served();
  port.load_balancer_ips = {kBalancer};
  EXPECT_THAT(direct_places(kName, port, {}, {kNode}, {}), IsEmpty());
  EXPECT_THAT(direct_places(kName, port, {}, {kNode, kBalancer}, {}),
              ElementsAre(Vip{kBalancer, Port{80}, Protocol::tcp}));
  port.cluster_ip = IpAddress::v4(0x7f000a01);  // loopback is always here
  EXPECT_THAT(direct_places(kName, port, {}, {}, {}),
              ElementsAre(Vip{port.cluster_ip, Port{80}, Protocol::tcp}));
}

TEST(DirectPlaces, OfANodePortAreTheAddressesThatItIsServedAt) {
  auto port = served();
  port.node_port = Port{30001};
  const auto loopback = IpAddress::loopback(Family::v4);
  const std::vector all{kNode, kBalancer, loopback};
  const auto places = [&](const Settings& settings) {
    std::vector<IpAddress> out;
    for (const auto& place : direct_places(kName, port, settings, all, {kNode})) {
      EXPECT_EQ(place.port, Port{30001});
      out.push_back(place.address);
    }
    return out;
  };
  EXPECT_THAT(places({}), UnorderedElementsAre(kNode, kBalancer, loopback));
  Settings not_local, primary, ranges;
  not_local.localhost_node_ports = false;
  primary.node_port_addresses.primary = true;
  ranges.node_port_addresses.ranges = {range(0x7f000000, 8)};
  EXPECT_THAT(places(not_local), UnorderedElementsAre(kNode, kBalancer));
  EXPECT_THAT(places(primary), ElementsAre(kNode));
  EXPECT_THAT(places(ranges), ElementsAre(loopback));
}

TEST(DirectPlaces, AreNoneWithoutEndpointsSoThatTheKernelRefuses) {
  ServicePort port;
  port.cluster_ip = kNode;
  port.port = Port{80};
  port.node_port = Port{30001};
  EXPECT_THAT(direct_places(kName, port, {}, {kNode}, {}), IsEmpty());
}

TEST(DirectPlaces, AreNeverNamedTwice) {
  auto port = served();
  port.cluster_ip = kNode;
  port.load_balancer_ips = {kNode, kNode};
  port.external_ips = {kNode};
  EXPECT_THAT(direct_places(kName, port, {}, {kNode}, {}),
              ElementsAre(Vip{kNode, Port{80}, Protocol::tcp}));
}

}  // namespace
}  // namespace modes::userspace
