#include "proxy/state/service_table.hpp"

#include "tests/proxy/state/builders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::state {
namespace {

using namespace proxy::state::testing;
using records::Kind;
using records::RecordKey;
using records::ServiceType;
using sources::Change;
using sources::Removal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kHere = "node-a";

Change gone(Kind kind, std::string name) {
  return Removal{RecordKey{kind, {"default", std::move(name)}}};
}

Change now(records::Record record) {
  return record;
}

// A table with the service web, 10.96.0.1:80, and its endpoint 10.0.0.1:8080; changes taken.
class ServiceTableTest : public ::testing::Test {
 protected:
  ServiceTableTest() {
    table.replace({service("web"), slice("web-1", "web", {slice_endpoint("10.0.0.1", kHere)})});
    initial_changes = table.take_changes();
  }

  void change(const std::vector<Change>& changes) { table.change(changes); }
  void forget_changes() { static_cast<void>(table.take_changes()); }
  const ServicePort& port(const std::string& service) {
    const auto* found = table.find(port_name(service));
    EXPECT_NE(found, nullptr) << service;
    static const ServicePort kNone;
    return found ? *found : kNone;
  }

  ServiceTable table{NodeIdentity{kHere}};
  std::vector<ServicePortName> initial_changes;
};

TEST_F(ServiceTableTest, HoldsWhatTheSnapshotSays) {
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.endpoint_count(), 1U);
  EXPECT_EQ(port("web").cluster_ip, ip("10.96.0.1"));
  EXPECT_THAT(port("web").cluster_endpoints, ElementsAre(endpoint("10.0.0.1", 8080)));
  EXPECT_THAT(initial_changes, ElementsAre(port_name("web")));
  EXPECT_THAT(table.take_changes(), IsEmpty());
}

TEST_F(ServiceTableTest, ASliceMayComeBeforeItsServiceAndStayAfterIt) {
  change({now(slice("api-1", "api", {slice_endpoint("10.0.0.2")}))});
  EXPECT_THAT(table.take_changes(), IsEmpty());
  change({now(service("api", "10.96.0.2"))});
  EXPECT_EQ(port("api").cluster_endpoints.size(), 1U);
  change({gone(Kind::service, "api")});
  EXPECT_EQ(table.find(port_name("api")), nullptr);
  change({now(service("api", "10.96.0.2"))});
  EXPECT_EQ(port("api").cluster_endpoints.size(), 1U);
}

TEST_F(ServiceTableTest, AnEqualRecordChangesNothing) {
  change({now(service("web")), now(slice("web-1", "web", {slice_endpoint("10.0.0.1", kHere)}))});
  EXPECT_THAT(table.take_changes(), IsEmpty());
}

TEST_F(ServiceTableTest, OnlyTheServiceOfAChangedSliceIsNamed) {
  change({now(service("api", "10.96.0.2"))});
  forget_changes();
  change({now(slice("web-1", "web", {slice_endpoint("10.0.0.9", kHere)}))});
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("web")));
}

TEST_F(ServiceTableTest, ASliceThatChangesItsServiceLeavesTheOldOne) {
  change({now(service("api", "10.96.0.2"))});
  forget_changes();
  change({now(slice("web-1", "api", {slice_endpoint("10.0.0.1", kHere)}))});
  EXPECT_THAT(port("web").cluster_endpoints, IsEmpty());
  EXPECT_EQ(port("api").cluster_endpoints.size(), 1U);
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("api"), port_name("web")));
}

TEST_F(ServiceTableTest, ASliceLabelledHeadlessIsIgnoredFromThenOn) {
  auto headless = slice("web-1", "web", {slice_endpoint("10.0.0.1", kHere)});
  headless.headless_label = true;
  change({now(headless)});
  EXPECT_THAT(port("web").cluster_endpoints, IsEmpty());
}

TEST_F(ServiceTableTest, ASnapshotRemovesWhatItDoesNotHold) {
  table.replace({service("api", "10.96.0.2")});
  EXPECT_EQ(table.find(port_name("web")), nullptr);
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("api"), port_name("web")));
  table.replace({});
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.endpoint_count(), 0U);
}

TEST_F(ServiceTableTest, PortsThatAServiceLosesGo) {
  auto two = service("web");
  two.ports.push_back({"https", Protocol::tcp, Port{443}, std::nullopt, Port{8443}});
  change({now(two)});
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("web", Family::v4, "https")));
  change({now(service("web"))});
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("web", Family::v4, "https")));
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(ServiceTableTest, AChangeOfTheZoneCountsAtOnceForServicesWithHints) {
  change({now(node(kHere, "zone-a")), now(service("api", "10.96.0.2")),
          now(slice("api-1", "api",
                    {slice_endpoint("10.0.0.2", "", kReady, {{"zone-a"}, {}}),
                     slice_endpoint("10.0.0.3", "", kReady, {{"zone-b"}, {}})}))});
  forget_changes();
  EXPECT_THAT(port("api").cluster_endpoints, ElementsAre(endpoint("10.0.0.2", 8080)));

  change({now(node(kHere, "zone-b"))});

  EXPECT_THAT(port("api").cluster_endpoints, ElementsAre(endpoint("10.0.0.3", 8080)));
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("api")));
}

TEST_F(ServiceTableTest, OnlyItsOwnNodeObjectIsKeptAndTheLastOneAfterItsRemoval) {
  EXPECT_EQ(table.node(), nullptr);
  change({now(node("node-b", "zone-b"))});
  EXPECT_EQ(table.node(), nullptr);
  change({now(node(kHere, "zone-a"))});
  ASSERT_NE(table.node(), nullptr);
  change({Removal{{Kind::node, {"", kHere}}}});
  ASSERT_NE(table.node(), nullptr);
  EXPECT_EQ(table.node()->name.name, kHere);
}

TEST_F(ServiceTableTest, AnExternalIpNeverTakesTheClusterIpOfAnother) {
  auto thief = service("a-thief", "10.96.0.66");
  thief.external_ips = {ip("10.96.0.1"), ip("192.0.2.1")};
  change({now(thief)});
  EXPECT_THAT(port("a-thief").external_ips, ElementsAre(ip("192.0.2.1")));
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("a-thief")));
  ASSERT_EQ(table.remarks().size(), 1U);
  EXPECT_EQ(table.remarks()[0].where, "Service default/a-thief");
  EXPECT_THAT(table.remarks()[0].what,
              HasSubstr("10.96.0.1:80/TCP belongs to Service default/web"));
}

TEST_F(ServiceTableTest, TheLoserOfAVipGetsItWhenTheWinnerGoesAndIsNamed) {
  auto first = service("a", "10.96.0.2");
  auto second = service("b", "10.96.0.3");
  first.external_ips = second.external_ips = {ip("192.0.2.1")};
  change({now(second)});
  change({now(first)});
  EXPECT_THAT(port("b").external_ips, IsEmpty());
  forget_changes();

  change({gone(Kind::service, "a")});

  EXPECT_THAT(port("b").external_ips, ElementsAre(ip("192.0.2.1")));
  EXPECT_THAT(table.take_changes(), ElementsAre(port_name("a"), port_name("b")));
  EXPECT_THAT(table.remarks(), IsEmpty());
}

TEST_F(ServiceTableTest, TwoServicesWithOneNodePortShareItByProtocolOnly) {
  auto first = service("a", "10.96.0.2");
  first.type = ServiceType::node_port;
  first.ports[0].node_port = Port{30001};
  auto second = first;
  second.name.name = "b";
  second.cluster_ips = {ip("10.96.0.3")};
  change({now(first), now(second)});
  EXPECT_EQ(port("a").node_port, Port{30001});
  EXPECT_EQ(port("b").node_port, std::nullopt);

  second.ports[0].protocol = Protocol::udp;
  change({now(second)});

  const auto* udp = table.find(port_name("b", Family::v4, "http", Protocol::udp));
  ASSERT_NE(udp, nullptr);
  EXPECT_EQ(udp->node_port, Port{30001});
}

TEST_F(ServiceTableTest, AServiceWhoseClusterIpBelongsToAnotherIsNotForwardedAndClaimsNothing) {
  auto copy = service("z-copy", "10.96.0.1");
  copy.external_ips = {ip("192.0.2.1")};
  auto other = service("z-other", "10.96.0.7");
  other.external_ips = {ip("192.0.2.1")};
  change({now(copy), now(other)});
  EXPECT_EQ(table.find(port_name("z-copy")), nullptr);
  EXPECT_THAT(port("z-other").external_ips, ElementsAre(ip("192.0.2.1")));

  change({gone(Kind::service, "web")});

  EXPECT_THAT(port("z-copy").external_ips, ElementsAre(ip("192.0.2.1")));
  EXPECT_THAT(port("z-other").external_ips, IsEmpty());
}

TEST_F(ServiceTableTest, PortsOfOneServiceThatCompeteAreSettledWhenTheyGoTogether) {
  auto doubled = service("doubled", "10.96.0.5");
  doubled.ports.push_back({"again", Protocol::tcp, Port{80}, std::nullopt, Port{8080}});
  doubled.ports.push_back({"also", Protocol::tcp, Port{80}, std::nullopt, Port{8080}});
  change({now(doubled)});
  EXPECT_NE(table.find(port_name("doubled", Family::v4, "again")), nullptr);
  EXPECT_EQ(table.find(port_name("doubled")), nullptr);
  EXPECT_EQ(table.remarks().size(), 2U);
  change({gone(Kind::service, "doubled")});
  EXPECT_EQ(table.size(), 1U);
  EXPECT_THAT(table.remarks(), IsEmpty());
}

TEST_F(ServiceTableTest, HealthChecksAreKeptPerServiceAndFamily) {
  auto balanced = service("web");
  balanced.cluster_ips.push_back(ip("fd00::1"));
  balanced.type = ServiceType::load_balancer;
  balanced.external_policy = records::TrafficPolicy::local;
  balanced.health_check_node_port = Port{32000};
  balanced.ports.push_back({"https", Protocol::tcp, Port{443}, std::nullopt, Port{8443}});
  EXPECT_THAT(table.health_checks(), IsEmpty());

  change({now(balanced)});

  const records::ObjectName web{"default", "web"};
  EXPECT_THAT(table.take_health_check_changes(), ElementsAre(web));
  EXPECT_EQ(table.health_checks().at(web).port, Port{32000});
  EXPECT_EQ(table.health_checks().at(web).of(Family::v4), 1U);
  EXPECT_EQ(table.health_checks().at(web).of(Family::v6), 0U);

  change({now(slice("web-1", "web", {slice_endpoint("10.0.0.1", "node-b")}))});
  EXPECT_EQ(table.health_checks().at(web).of(Family::v4), 0U);
  EXPECT_THAT(table.take_health_check_changes(), ElementsAre(web));

  change({now(service("web"))});
  EXPECT_THAT(table.health_checks(), IsEmpty());
  EXPECT_THAT(table.take_health_check_changes(), ElementsAre(web));
}

TEST_F(ServiceTableTest, EndpointsOfTheWrongFamilyAreRemarkedOnWithTheirSlice) {
  change({now(slice("web-1", "web", {slice_endpoint("10.0.0.1"), slice_endpoint("fd00::1")}))});
  ASSERT_EQ(table.remarks().size(), 1U);
  EXPECT_EQ(table.remarks()[0].where, "EndpointSlice default/web-1");
}

}  // namespace
}  // namespace proxy::state
