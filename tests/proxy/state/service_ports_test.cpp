#include "proxy/state/service_ports.hpp"

#include "tests/proxy/state/builders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::state {
namespace {

using namespace proxy::state::testing;
using records::Service;
using records::ServiceType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Service load_balancer() {
  auto it = service("web");
  it.type = ServiceType::load_balancer;
  it.load_balancer_ingress = {{ip("198.51.100.1"), true}};
  it.ports[0].node_port = Port{30001};
  return it;
}

ServicePort only_port(const Service& service) {
  const auto wanted = wanted_ports(service);
  EXPECT_EQ(wanted.ports.size(), 1U);
  return wanted.ports.empty() ? ServicePort{} : wanted.ports.front().port;
}

TEST(ServicePorts, WhatHasNoVirtualAddressOrAnotherProxyIsNotForwarded) {
  auto headless = service("web");
  headless.headless = true;
  headless.cluster_ips.clear();
  auto external_name = service("web");
  external_name.type = ServiceType::external_name;
  auto unallocated = service("web");
  unallocated.cluster_ips.clear();
  auto of_other_proxy = service("web");
  of_other_proxy.labels["service.kubernetes.io/service-proxy-name"] = "";

  for (const auto& it : {headless, external_name, unallocated, of_other_proxy}) {
    EXPECT_FALSE(is_forwarded(it));
    EXPECT_THAT(wanted_ports(it).ports, IsEmpty());
    EXPECT_THAT(wanted_ports(it).remarks, IsEmpty());
  }
  EXPECT_TRUE(is_forwarded(service("web")));
}

TEST(ServicePorts, EachFamilyHasItsOwnPortsWithItsOwnAddresses) {
  auto dual = load_balancer();
  dual.cluster_ips = {ip("10.96.0.1"), ip("fd00::1")};
  dual.ip_families = {Family::v4, Family::v6};
  dual.external_ips = {ip("192.0.2.2"), ip("2001:db8::2"), ip("192.0.2.1")};
  dual.load_balancer_ingress.push_back({ip("2001:db8::9"), true});

  const auto wanted = wanted_ports(dual);

  ASSERT_EQ(wanted.ports.size(), 2U);
  EXPECT_EQ(wanted.ports[0].name, port_name("web", Family::v4));
  EXPECT_EQ(wanted.ports[0].port.cluster_ip, ip("10.96.0.1"));
  EXPECT_THAT(wanted.ports[0].port.external_ips, ElementsAre(ip("192.0.2.1"), ip("192.0.2.2")));
  EXPECT_THAT(wanted.ports[0].port.load_balancer_ips, ElementsAre(ip("198.51.100.1")));
  EXPECT_EQ(wanted.ports[1].name, port_name("web", Family::v6));
  EXPECT_THAT(wanted.ports[1].port.load_balancer_ips, ElementsAre(ip("2001:db8::9")));
  EXPECT_THAT(wanted.remarks, IsEmpty());
}

TEST(ServicePorts, AnAddressOfAFamilyThatTheServiceHasNotIsRemarkedOn) {
  auto single = service("web");
  single.ip_families = {Family::v4};
  single.cluster_ips = {ip("10.96.0.1"), ip("fd00::1")};
  single.external_ips = {ip("2001:db8::2")};

  const auto wanted = wanted_ports(single);

  EXPECT_EQ(wanted.ports.size(), 1U);
  EXPECT_THAT(wanted.remarks, ElementsAre(HasSubstr("fd00::1"), HasSubstr("2001:db8::2")));
}

TEST(ServicePorts, OnlyIngressAddressesOfModeVipAreTaken) {
  auto it = load_balancer();
  it.load_balancer_ingress = {
      {ip("198.51.100.2"), false}, {std::nullopt, true}, {ip("198.51.100.3"), true}};
  EXPECT_THAT(only_port(it).load_balancer_ips, ElementsAre(ip("198.51.100.3")));
}

TEST(ServicePorts, WhatOnlyALoadBalancerHasIsIgnoredInOtherTypes) {
  auto it = load_balancer();
  it.type = ServiceType::cluster_ip;
  it.load_balancer_source_ranges = {prefix("192.0.2.0/24")};
  it.external_policy = records::TrafficPolicy::local;
  it.health_check_node_port = Port{32000};

  const auto port = only_port(it);

  EXPECT_THAT(port.load_balancer_ips, IsEmpty());
  EXPECT_EQ(port.node_port, std::nullopt);
  EXPECT_EQ(port.source_ranges, std::nullopt);
  EXPECT_EQ(port.external_policy, TrafficPolicy::cluster);
  EXPECT_EQ(port.health_check_node_port, std::nullopt);
}

TEST(ServicePorts, ExternalIpsMakeTheExternalPolicyOfAClusterIpServiceMatter) {
  auto it = service("web");
  it.external_ips = {ip("192.0.2.1")};
  it.external_policy = records::TrafficPolicy::local;
  EXPECT_EQ(only_port(it).external_policy, TrafficPolicy::local);
}

TEST(ServicePorts, AHealthCheckNeedsLoadBalancerAndLocalPolicy) {
  auto it = load_balancer();
  it.health_check_node_port = Port{32000};
  EXPECT_EQ(only_port(it).health_check_node_port, std::nullopt);
  it.external_policy = records::TrafficPolicy::local;
  EXPECT_EQ(only_port(it).health_check_node_port, Port{32000});
  it.type = ServiceType::node_port;
  EXPECT_EQ(only_port(it).health_check_node_port, std::nullopt);
}

TEST(ServicePorts, SourceRangesCountByFamilyAndAllOfAFamilyMeansEverybody) {
  auto it = load_balancer();
  EXPECT_EQ(only_port(it).source_ranges, std::nullopt);
  it.load_balancer_source_ranges = {prefix("2001:db8::/32")};
  EXPECT_EQ(only_port(it).source_ranges, std::nullopt);
  it.load_balancer_source_ranges = {prefix("203.0.113.0/25"), prefix("192.0.2.0/24"),
                                    prefix("::/0")};
  EXPECT_THAT(only_port(it).source_ranges.value(),
              ElementsAre(prefix("192.0.2.0/24"), prefix("203.0.113.0/25")));
  it.load_balancer_source_ranges.push_back(prefix("0.0.0.0/0"));
  EXPECT_EQ(only_port(it).source_ranges, std::nullopt);
}

TEST(ServicePorts, AnAddressInTwoRolesIsOneVipInTheStronger) {
  auto it = load_balancer();
  it.external_ips = {ip("198.51.100.1"), ip("10.96.0.1"), ip("192.0.2.1")};
  it.load_balancer_ingress.push_back({ip("10.96.0.1"), true});

  const auto port = only_port(it);

  EXPECT_THAT(port.load_balancer_ips, ElementsAre(ip("198.51.100.1")));
  EXPECT_THAT(port.external_ips, ElementsAre(ip("192.0.2.1")));
}

TEST(ServicePorts, AddressesThatTheNodeNeedsItselfAreNoExternalIps) {
  auto it = service("web");
  it.external_ips = {ip("127.0.0.1"), ip("0.0.0.0"), ip("169.254.1.1"), ip("224.0.0.1")};
  const auto wanted = wanted_ports(it);
  EXPECT_THAT(wanted.ports[0].port.external_ips, IsEmpty());
  EXPECT_EQ(wanted.remarks.size(), 4U);
}

TEST(ServicePorts, OfTwoPortsWithOneNameAndProtocolTheFirstCounts) {
  auto it = service("web");
  it.ports.push_back(it.ports[0]);
  it.ports[1].port = Port{81};
  it.ports.push_back(it.ports[0]);
  it.ports[2].protocol = Protocol::udp;

  const auto wanted = wanted_ports(it);

  ASSERT_EQ(wanted.ports.size(), 2U);
  EXPECT_EQ(wanted.ports[0].port.port, Port{80});
  EXPECT_EQ(wanted.ports[1].name.protocol, Protocol::udp);
  EXPECT_THAT(wanted.remarks, ElementsAre(HasSubstr("spec.ports[1]")));
}

TEST(ServicePorts, OnlyOurAnnotationsAreKept) {
  auto it = service("web");
  it.annotations = {{"a", "1"}, {"viaduct.io/scheduler", "mh"}, {"viaduct.iox/b", "2"}};
  EXPECT_THAT(only_port(it).annotations,
              ElementsAre(::testing::Pair("viaduct.io/scheduler", "mh")));
}

TEST(ServicePorts, AffinityAndInternalPolicyAreCarriedOver) {
  auto it = service("web");
  it.client_ip_affinity = std::chrono::seconds{60};
  it.internal_policy = records::TrafficPolicy::local;
  EXPECT_EQ(only_port(it).affinity, std::chrono::seconds{60});
  EXPECT_EQ(only_port(it).internal_policy, TrafficPolicy::local);
}

}  // namespace
}  // namespace proxy::state
