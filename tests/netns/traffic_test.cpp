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

class UserspaceTraffic : public TrafficLab {
 protected:
  void SetUp() override { start("userspace"); }

  static std::map<std::string, std::uint64_t> sum_of_endpoints(const YAML::Node& row,
                                                               const char* figure) {
    std::map<std::string, std::uint64_t> out;
    for (const auto& endpoint : row["endpoints"]) {
      out[figure] += endpoint["traffic"][figure].as<std::uint64_t>();
    }
    return out;
  }
  // Waits until the proxy has heard that all clients are gone.
  YAML::Node row_at_rest(const std::string& name, const std::string& family, std::uint64_t all) {
    auto now = row_with(name, family, all);
    for (int i = 0; i < 1000 && now["traffic"]["open"].as<int>() != 0; ++i) now = row(name, family);
    return now;
  }
};

TEST_F(UserspaceTraffic, EveryConnectionAndByteIsCounted) {
  Met v4, v6, udp;
  connect("10.180.0.100", "172.30.0.41:80", Protocol::tcp, 40, v4);
  connect("203.0.113.2", "192.168.0.2:30001", Protocol::tcp, 9, v4);
  connect("fd00:10:180::100", "[fd00:172:30::41]:80", Protocol::tcp, 17, v6);
  connect("10.180.0.100", "172.30.0.53:53", Protocol::udp, 23, udp);

  const auto web4 = row_at_rest("ns1/web:http", "IPv4", v4.all);
  EXPECT_EQ(web4["traffic"]["connections"].as<std::uint64_t>(), 49U);
  EXPECT_EQ(web4["traffic"]["open"].as<int>(), 0);
  EXPECT_EQ(web4["traffic"]["refused"].as<int>(), 0);
  EXPECT_EQ(web4["traffic"]["bytesOut"].as<std::uint64_t>(), v4.bytes_out);
  EXPECT_EQ(web4["traffic"]["bytesIn"].as<std::uint64_t>(), 0U) << "its clients say nothing";
  EXPECT_TRUE(web4["traffic"]["since"]);
  EXPECT_EQ(connections_of(web4), v4.connections);
  EXPECT_EQ(sum_of_endpoints(web4, "bytesOut")["bytesOut"], v4.bytes_out);
  const auto web6 = row_at_rest("ns1/web:http", "IPv6", v6.all);
  EXPECT_EQ(web6["traffic"]["bytesOut"].as<std::uint64_t>(), v6.bytes_out);
  EXPECT_EQ(connections_of(web6), v6.connections);

  const auto names = row_with("ns1/names:dns", "IPv4", udp.all);
  EXPECT_EQ(names["traffic"]["connections"].as<std::uint64_t>(), 23U);
  EXPECT_EQ(names["traffic"]["open"].as<int>(), 23) << "a flow ends when it was quiet for long";
  EXPECT_EQ(names["traffic"]["bytesIn"].as<std::size_t>(), 23 * std::strlen("who are you?"));
  EXPECT_EQ(names["traffic"]["bytesOut"].as<std::uint64_t>(), udp.bytes_out);
  EXPECT_EQ(connections_of(names), udp.connections);

  const auto metrics =
      run_or_fail(lab_->node().net, {"curl", "-fsS", "http://127.0.0.1:10249/metrics"});
  const auto tcp_bytes = v4.bytes_out + v6.bytes_out;
  EXPECT_THAT(metrics, testing::ContainsRegex("viaduct_userspace_incoming_bytes_total"));
  EXPECT_THAT(metrics,
              testing::HasSubstr("viaduct_userspace_outgoing_bytes_total{protocol=\"UDP\"} " +
                                 std::to_string(udp.bytes_out) + "\n"));
  // The lab's own services say who they are too.
  std::smatch found;
  ASSERT_TRUE(std::regex_search(metrics, found,
                                std::regex{"outgoing_bytes_total\\{protocol=\"TCP\"\\} ([0-9]+)"}));
  EXPECT_GE(std::stoull(found[1].str()), tcp_bytes);
}

TEST_F(UserspaceTraffic, WhatNoEndpointTakesIsCountedAtTheServiceAndAtTheEndpoints) {
  lab_->cluster().apply(parse_object(YAML::Load(R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: closed}
spec:
  clusterIP: 172.30.0.77
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 81}]
)")));
  lab_->cluster().apply(parse_object(YAML::Load(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: closed-4, labels: {kubernetes.io/service-name: closed}}
addressType: IPv4
ports: [{name: http, port: 81, protocol: TCP}]
endpoints: [{addresses: [10.180.0.1], nodeName: node-a}, {addresses: [10.180.1.1], nodeName: node-b}]
)")));
  lab_->settle();
  const auto source = *proxy::parse_ip("10.180.0.100");
  const auto outcomes = run(Probe{.client = &lab_->topology().owner(source),
                                  .from = source,
                                  .to = parse_socket_address("172.30.0.77:80"),
                                  .count = 6});
  for (const auto& outcome : outcomes) EXPECT_EQ(outcome.kind, Outcome::Kind::reset);
  const auto closed = row_with("ns1/closed:http", "IPv4", 6);
  EXPECT_EQ(closed["traffic"]["connections"].as<int>(), 6);
  EXPECT_EQ(closed["traffic"]["refused"].as<int>(), 6);
  for (const auto& endpoint : closed["endpoints"]) {
    EXPECT_EQ(endpoint["traffic"]["refused"].as<int>(), 6);
    EXPECT_EQ(endpoint["traffic"]["connections"].as<int>(), 0);
  }
  EXPECT_THAT(run_viaduct(lab_->node(), {"status", "ns1/closed"}).output,
              ContainsRegex("6 \\(6 refused\\) +0 B +0 B"));
}

TEST_F(UserspaceTraffic, OfAServiceThatTheKernelForwardsItsRulesTell) {
  lab_->apply(R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: sig}
spec:
  clusterIP: 172.30.0.78
  ports: [{name: sig, port: 3868, protocol: SCTP, targetPort: 3868}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: sig-4, labels: {kubernetes.io/service-name: sig}}
addressType: IPv4
ports: [{name: sig, port: 3868, protocol: SCTP}]
endpoints: [{addresses: [10.180.0.3], nodeName: node-a}]
)");
  lab_->settle();
  Met met;
  connect("10.180.0.100", "172.30.0.78:3868", Protocol::sctp, 4, met);
  const auto sig = row_with("ns1/sig:sig", "IPv4", 4);
  EXPECT_EQ(sig["traffic"]["connections"].as<int>(), 4);
  EXPECT_FALSE(sig["traffic"]["bytesIn"]);
  EXPECT_EQ(connections_of(sig), met.connections);
}

}  // namespace
}  // namespace netns
