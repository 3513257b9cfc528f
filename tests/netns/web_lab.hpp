// What tests of the running daemon begin with: a lab in which one service with a node port, in both
// families, with an endpoint here and one on another node, is in force.
#pragma once

#include "tests/netns/daemon_lab.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace netns {

inline constexpr const char* kWebService = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: web}
spec:
  type: NodePort
  clusterIP: 172.30.0.41
  clusterIPs: [172.30.0.41, 'fd00:172:30::41']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30001}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-4, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.180.0.1], nodeName: node-a}, {addresses: [10.180.1.1], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-6, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: ['fd00:10:180::1'], nodeName: node-a}, {addresses: ['fd00:10:180:1::1'], nodeName: node-b}]
)";

// What packets to it are to meet, as the scenarios write it.
inline const std::vector<std::string> kWebFlows{
    "from: 10.180.0.100, to: 172.30.0.41, port: 80, protocol: TCP, "
    "expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: false}",
    "from: 203.0.113.2, to: 192.168.0.2, port: 30001, protocol: TCP, "
    "expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: true}",
    "from: 'fd00:10:180::100', to: 'fd00:172:30::41', port: 80, protocol: TCP, "
    "expect: {endpoints: ['[fd00:10:180::1]:80', '[fd00:10:180:1::1]:80'], masquerade: false}"};

class WebLab : public testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  void SetUp() override { begin(usual_settings()); }

  void begin(const ProxySettings& settings) {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(settings, "iptables");
    lab_->apply(kWebService);
    lab_->start();
    lab_->settle();
  }

  void expect_all_flows() {
    for (const auto& flow : kWebFlows) EXPECT_EQ(lab_->wrong(flow), "");
  }

  [[nodiscard]] std::string all_rules() {
    return lab_->saved_rules(Family::v4) + lab_->saved_rules(Family::v6);
  }

  // Looks again and again; each look at the rules takes some ten milliseconds.
  template <class Condition>
  [[nodiscard]] bool comes_true(Condition condition) {
    const auto deadline = Clock::now() + std::chrono::seconds{10};
    while (!condition()) {
      if (Clock::now() > deadline) return false;
    }
    return true;
  }

  [[nodiscard]] std::string said() { return lab_->daemon().process().output(); }

  std::optional<DaemonLab> lab_;
};

}  // namespace netns
