// `viaduct status` and `viaduct explain` ask a daemon that forwards for real.
#include "tests/netns/daemon_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace netns {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

constexpr const char* kService = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: web}
spec:
  clusterIP: 172.30.0.41
  clusterIPs: [172.30.0.41, 'fd00:172:30::41']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-4, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.180.0.1], nodeName: node-a}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-6, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: ['fd00:10:180::1'], nodeName: node-a}]
)";

class AskTheDaemon : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), "iptables");
    lab_->apply(std::string{kService});
    lab_->start();
    lab_->settle();
  }
  std::optional<DaemonLab> lab_;
};

TEST_F(AskTheDaemon, ExplainNamesChainsThatAreThere) {
  for (const auto& [family, packet, endpoint] :
       {std::tuple{Family::v4, "172.30.0.41:80", "10.180.0.1:80"},
        {Family::v6, "[fd00:172:30::41]:80", "[fd00:10:180::1]:80"}}) {
    const auto said = run_viaduct(lab_->node(), {"explain", packet});
    EXPECT_EQ(said.status, 0) << said.output;
    EXPECT_THAT(said.output, AllOf(HasSubstr("fate              forwarded"),
                                   HasSubstr("ns1/web:http (cluster IP)"), HasSubstr(endpoint)));
    std::smatch chain;
    ASSERT_TRUE(std::regex_search(said.output, chain, std::regex{"KUBE-SVC-[A-Z0-9]+"}))
        << said.output;
    EXPECT_THAT(lab_->saved_rules(family), HasSubstr(":" + chain.str() + " "));
  }
}

TEST_F(AskTheDaemon, ExplainSaysWhoSendsInJsonToo) {
  const auto said = run_viaduct(
      lab_->node(), {"explain", "172.30.0.41:80/tcp", "--from=10.180.0.1", "-o", "json"});
  EXPECT_EQ(said.status, 0);
  const auto reply = YAML::Load(said.output);
  EXPECT_EQ(reply["fate"].as<std::string>(), "forwarded");
  EXPECT_EQ(reply["endpoints"][0]["sees"].as<std::string>(), "node");  // itself
}

TEST_F(AskTheDaemon, EnvNamesTheServicesOfANamespaceForAShellAndForPrograms) {
  const auto said = run_viaduct(lab_->node(), {"env", "ns1"});
  EXPECT_EQ(said.status, 0) << said.output;
  EXPECT_THAT(said.output, AllOf(HasSubstr("WEB_SERVICE_HOST=172.30.0.41\n"),
                                 HasSubstr("WEB_PORT_80_TCP_ADDR=172.30.0.41\n"),
                                 HasSubstr("WEB_SERVICE_PORT_HTTP=80\n")));
  const auto json = run_viaduct(lab_->node(), {"env", "ns1", "-o", "json"});
  EXPECT_EQ(YAML::Load(json.output)["variables"]["WEB_PORT"].as<std::string>(),
            "tcp://172.30.0.41:80");
  EXPECT_EQ(run_viaduct(lab_->node(), {"env", "../x"}).status, 1);
  EXPECT_EQ(run_viaduct(lab_->node(), {"env"}).status, 2);
}

TEST_F(AskTheDaemon, AMistakeIsOneLineAndAStatus) {
  const auto said = run_viaduct(lab_->node(), {"explain", "172.30.0.41"});
  EXPECT_EQ(said.status, 1);
  EXPECT_THAT(said.output, HasSubstr("names no port"));
}

TEST_F(AskTheDaemon, StatusSaysThatAllIsInForce) {
  const auto said = run_viaduct(lab_->node(), {"status"});
  EXPECT_EQ(said.status, 0);
  EXPECT_THAT(said.output,
              AllOf(HasSubstr("mode iptables, node node-a"), HasSubstr("healthy           true"),
                    HasSubstr("last sync"),
                    ContainsRegex("ns1/web:http +TCP +172.30.0.41:80 +up +[0-9]+ +- +- +10.180.0.1:80")));
  const auto one = run_viaduct(lab_->node(), {"status", "fd00:10:180::1", "-o", "json"});
  const auto rows = YAML::Load(one.output)["services"]["rows"];
  ASSERT_EQ(rows.size(), 1U) << one.output;
  EXPECT_EQ(rows[0]["name"].as<std::string>(), "ns1/web:http");
  EXPECT_EQ(rows[0]["family"].as<std::string>(), "IPv6");
}

}  // namespace
}  // namespace netns
