// What status says of traffic in the iptables and userspace modes is what endpoints have met.
#include "tests/netns/traffic_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <regex>

namespace netns {
namespace {

using testing::ContainsRegex;

class IptablesTraffic : public TrafficLab {
 protected:
  void SetUp() override { start("iptables"); }
};

TEST_F(IptablesTraffic, EveryConnectionIsCountedOnceAtItsEndpointBytesAreNotKnown) {
  const auto before = row("ns1/web:http", "IPv4");
  EXPECT_EQ(before["traffic"]["connections"].as<int>(), 0);

  Met v4, v6, udp;
  connect("10.180.0.100", "172.30.0.41:80", Protocol::tcp, 40, v4);
  connect("203.0.113.2", "192.168.0.2:30001", Protocol::tcp, 9, v4);
  connect("fd00:10:180::100", "[fd00:172:30::41]:80", Protocol::tcp, 17, v6);
  connect("10.180.0.100", "172.30.0.53:53", Protocol::udp, 23, udp);

  const auto web4 = row_with("ns1/web:http", "IPv4", v4.all);
  EXPECT_EQ(web4["traffic"]["connections"].as<std::uint64_t>(), 49U);
  EXPECT_EQ(connections_of(web4), v4.connections);
  EXPECT_TRUE(web4["traffic"]["since"]);
  for (const auto* unknown : {"open", "refused", "bytesIn", "bytesOut"}) {
    EXPECT_FALSE(web4["traffic"][unknown]) << unknown;
  }
  const auto web6 = row("ns1/web:http", "IPv6");
  EXPECT_EQ(web6["traffic"]["connections"].as<std::uint64_t>(), 17U);
  EXPECT_EQ(connections_of(web6), v6.connections);
  const auto names = row("ns1/names:dns", "IPv4");
  EXPECT_EQ(names["traffic"]["connections"].as<std::uint64_t>(), 23U);
  EXPECT_EQ(connections_of(names), udp.connections);

  EXPECT_THAT(run_viaduct(lab_->node(), {"status", "ns1/web"}).output,
              ContainsRegex("ns1/web:http +TCP +172.30.0.41:80 +up +49 +- +- +10.180.0.1:80"));
}

TEST_F(IptablesTraffic, CountingGoesOnOverARestartThatWritesNothing) {
  Met met;
  connect("10.180.0.100", "172.30.0.41:80", Protocol::tcp, 12, met);
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0);
  lab_->start();
  connect("10.180.0.100", "172.30.0.41:80", Protocol::tcp, 5, met);
  const auto web = row_with("ns1/web:http", "IPv4", met.all);
  EXPECT_EQ(web["traffic"]["connections"].as<std::uint64_t>(), 17U);
  EXPECT_EQ(connections_of(web), met.connections);
  EXPECT_FALSE(web["traffic"]["since"]) << "nobody knows since when";
}

TEST_F(IptablesTraffic, WhatIsWrittenAnewBeginsAnew) {
  Met met;
  connect("10.180.0.100", "172.30.0.53:53", Protocol::udp, 15, met);
  ASSERT_EQ(row_with("ns1/names:dns", "IPv4", 15)["traffic"]["connections"].as<int>(), 15);
  lab_->apply(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: names-4, labels: {kubernetes.io/service-name: names}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}]
endpoints: [{addresses: [10.180.0.2], nodeName: node-a}]
)");
  lab_->settle();
  // Of the endpoint that stays everything is still there.
  const auto left = met.connections["10.180.0.2:53"];
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  auto names = row("ns1/names:dns", "IPv4");
  while (names["traffic"]["connections"].as<std::uint64_t>() != left &&
         std::chrono::steady_clock::now() < deadline) {
    names = row("ns1/names:dns", "IPv4");
  }
  EXPECT_EQ(names["traffic"]["connections"].as<std::uint64_t>(), left);
  EXPECT_EQ(connections_of(names), (std::map<std::string, std::uint64_t>{{"10.180.0.2:53", left}}));
}

}  // namespace
}  // namespace netns
