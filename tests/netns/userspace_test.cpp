// What the flow scenarios don't say of the userspace mode: loopback node ports, its table's life.
#include "tests/netns/process.hpp"
#include "tests/netns/web_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

namespace netns {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kUdpService = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: names}
spec:
  type: NodePort
  clusterIP: 172.30.0.53
  clusterIPs: [172.30.0.53, 'fd00:172:30::53']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: dns, port: 53, protocol: UDP, targetPort: 53, nodePort: 30053}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: names-4, labels: {kubernetes.io/service-name: names}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}]
endpoints: [{addresses: [10.180.0.2], nodeName: node-a}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: names-6, labels: {kubernetes.io/service-name: names}}
addressType: IPv6
ports: [{name: dns, port: 53, protocol: UDP}]
endpoints: [{addresses: ['fd00:10:180::2'], nodeName: node-a}]
)";

class UserspaceMode : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    begin(usual_settings());
  }

  void begin(const ProxySettings& settings) {
    lab_.emplace(settings, "userspace");
    lab_->apply(kWebService);
    lab_->start();
    lab_->settle();
  }

  std::string on_node(const std::vector<std::string>& command) {
    return run(lab_->node().net, command).output;
  }
  std::optional<DaemonLab> lab_;
};

TEST_F(UserspaceMode, ServesNodePortsOnLoopbackInBothFamiliesAndProtocolsIfAskedTo) {
  auto settings = usual_settings();
  settings.node_port_addresses = {"all"};
  begin(settings);
  lab_->apply(kUdpService);
  lab_->settle();
  EXPECT_EQ(
      lab_->wrong("from: 127.0.0.1, to: 127.0.0.1, port: 30001, protocol: TCP, "
                  "expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: true}"),
      "");
  EXPECT_EQ(lab_->wrong("from: '::1', to: '::1', port: 30001, protocol: TCP, expect: {endpoints: "
                        "['[fd00:10:180::1]:80', '[fd00:10:180:1::1]:80'], masquerade: true}"),
            "");
  EXPECT_EQ(lab_->wrong("from: 127.0.0.1, to: 127.0.0.1, port: 30053, protocol: UDP, "
                        "expect: {endpoints: ['10.180.0.2:53'], masquerade: true}"),
            "");
  EXPECT_EQ(lab_->wrong("from: '::1', to: '::1', port: 30053, protocol: UDP, "
                        "expect: {endpoints: ['[fd00:10:180::2]:53'], masquerade: true}"),
            "");
}

TEST_F(UserspaceMode, AddsElementsAndNoRulesForAService) {
  const auto chains = [&] {
    const auto text = on_node({"nft", "list", "chain", "ip", "viaduct", "prerouting"});
    return std::ranges::count(text, '\n');
  };
  const auto before = chains();
  ASSERT_GT(before, 3);
  lab_->apply(kUdpService);
  lab_->settle();
  EXPECT_EQ(chains(), before);
  EXPECT_THAT(on_node({"nft", "list", "map", "ip", "viaduct", "vips"}), HasSubstr("172.30.0.53"));
}

TEST_F(UserspaceMode, AForeignFlushPassesItsTableBy) {
  on_node({"nft", "flush", "ruleset"});
  for (const auto& flow : kWebFlows) EXPECT_EQ(lab_->wrong(flow), "");
}

TEST_F(UserspaceMode, LeavesNothingThatSteersWhenItEnds) {
  ASSERT_THAT(on_node({"nft", "list", "tables"}), HasSubstr("viaduct"));
  ASSERT_THAT(on_node({"ip", "rule"}), HasSubstr("30308"));
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0);
  EXPECT_THAT(on_node({"nft", "list", "tables"}), Not(HasSubstr("viaduct")));
  EXPECT_THAT(on_node({"ip", "rule"}), Not(HasSubstr("30308")));
  EXPECT_THAT(on_node({"ip", "-6", "rule"}), Not(HasSubstr("30308")));
}

TEST_F(UserspaceMode, ItsTableGoesWithAProcessThatIsKilled) {
  lab_->daemon().stop(SIGKILL);
  EXPECT_THAT(on_node({"nft", "list", "tables"}), Not(HasSubstr("viaduct")));
  lab_->start();
  lab_->settle();
  for (const auto& flow : kWebFlows) EXPECT_EQ(lab_->wrong(flow), "");
}

}  // namespace
}  // namespace netns
