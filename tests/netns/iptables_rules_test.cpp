// The iptables mode's rules as people and tools see them: ordinary rules with the names and
// comments the ecosystem knows, beside those of others.
#include "tests/netns/daemon_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace netns {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kServices = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: web}
spec:
  type: LoadBalancer
  clusterIP: 172.30.0.41
  clusterIPs: [172.30.0.41, 'fd00:172:30::41']
  ipFamilies: [IPv4, IPv6]
  externalIPs: [192.168.99.22, '2001:db8:99::22']
  loadBalancerSourceRanges: [203.0.113.0/25, '2001:db8:cb00::/64']
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}
  ports:
  - {name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30001}
  - {name: dns, port: 53, protocol: UDP, targetPort: 53, nodePort: 30002}
  - {name: sig, port: 3868, protocol: SCTP, targetPort: 3868, nodePort: 30003}
status:
  loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: '2001:db8:c633::1'}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: local}
spec:
  type: LoadBalancer
  clusterIP: 172.30.0.42
  clusterIPs: [172.30.0.42, 'fd00:172:30::42']
  ipFamilies: [IPv4, IPv6]
  externalTrafficPolicy: Local
  internalTrafficPolicy: Local
  healthCheckNodePort: 32000
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30004}]
status:
  loadBalancer: {ingress: [{ip: 198.51.100.2}, {ip: '2001:db8:c633::2'}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: empty}
spec:
  type: NodePort
  clusterIP: 172.30.0.43
  clusterIPs: [172.30.0.43, 'fd00:172:30::43']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30005}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-4, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP}, {name: sig, port: 3868, protocol: SCTP}]
endpoints: [{addresses: [10.180.0.1], nodeName: node-a}, {addresses: [10.180.1.1], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-6, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP}, {name: sig, port: 3868, protocol: SCTP}]
endpoints: [{addresses: ['fd00:10:180::1'], nodeName: node-a}, {addresses: ['fd00:10:180:1::1'], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: local-4, labels: {kubernetes.io/service-name: local}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.180.0.2], nodeName: node-a}, {addresses: [10.180.1.2], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: local-6, labels: {kubernetes.io/service-name: local}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: ['fd00:10:180::2'], nodeName: node-a}, {addresses: ['fd00:10:180:1::2'], nodeName: node-b}]
)";

// What others may keep in the same tables: before, between and behind the rules of a proxy.
constexpr const char* kForeignRules = R"(*mangle
:FOREIGN-MARK - [0:0]
-A PREROUTING -j FOREIGN-MARK
-A FOREIGN-MARK -p tcp --dport 9999 -j MARK --set-mark 0x7
COMMIT
*nat
:FOREIGN-NAT - [0:0]
-A PREROUTING -p tcp --dport 9999 -m comment --comment "somebody else's" -j FOREIGN-NAT
-A FOREIGN-NAT -j RETURN
-A POSTROUTING -p tcp --dport 9999 -j MASQUERADE
COMMIT
*filter
:FOREIGN-FILTER - [0:0]
-A INPUT -p tcp --dport 9999 -j FOREIGN-FILTER
-A FORWARD -p tcp --dport 9999 -m limit --limit 5/sec -j FOREIGN-FILTER
-A FOREIGN-FILTER -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
)";

std::string restore_command(Family family) {
  return family == Family::v4 ? "iptables-restore" : "ip6tables-restore";
}

// The lines that hold a foreign rule or chain, in their order.
std::vector<std::string> foreign_lines(const std::string& rules) {
  std::vector<std::string> result;
  std::istringstream lines{rules};
  for (std::string line; std::getline(lines, line);) {
    if (line.find("FOREIGN") != std::string::npos || line.find("9999") != std::string::npos) {
      result.push_back(line);
    }
  }
  return result;
}

// Rules and chains of users: what is left of a dump without the tables and their built-in chains.
std::string without_empty_tables(const std::string& rules) {
  std::string result;
  std::istringstream lines{rules};
  for (std::string line; std::getline(lines, line);) {
    const bool built_in = line.starts_with(':') && line.find(" ACCEPT") != std::string::npos;
    if (!built_in && !line.starts_with('*') && line != "COMMIT") result += line + '\n';
  }
  return result;
}

class IptablesRules : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), "iptables");
  }
  void add_foreign_rules() {
    for (const auto family : proxy::kFamilies) {
      run_or_fail(lab_->node().net, {restore_command(family), "--noflush"}, kForeignRules);
    }
  }
  void start_with_services() {
    lab_->apply(kServices);
    lab_->start();
    lab_->settle();
  }
  std::optional<DaemonLab> lab_;
};

TEST_F(IptablesRules, ArePrintedAsOrdinaryRulesThatRestoreAccepts) {
  start_with_services();
  for (const auto family : proxy::kFamilies) {
    const auto saved = run_or_fail(lab_->node().net, {save_command(family)});
    EXPECT_THAT(saved, Not(HasSubstr("incompatible")));
    EXPECT_THAT(saved, HasSubstr("KUBE-SERVICES"));
    const auto restored = run(lab_->node().net, {restore_command(family), "--test"}, saved);
    EXPECT_EQ(restored.status, 0) << restored.output << saved;
  }
}

TEST_F(IptablesRules, KeepTheirMeaningWhenSavedAndRestored) {
  start_with_services();
  std::vector<std::string> before;
  for (const auto family : proxy::kFamilies) {
    const auto saved = run_or_fail(lab_->node().net, {save_command(family)});
    before.push_back(lab_->saved_rules(family));
    lab_->daemon().stop(SIGTERM);
    run_or_fail(lab_->node().net, {restore_command(family)}, saved);
    EXPECT_EQ(lab_->saved_rules(family), before.back());
  }
  const std::string expect =
      ", expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: ";
  EXPECT_EQ(
      lab_->wrong("from: 203.0.113.2, to: 198.51.100.1, port: 80, protocol: TCP, sticky: true, "
                  "repeat: 10" +
                  expect + "true}"),
      "");
  EXPECT_EQ(
      lab_->wrong("from: 10.180.0.100, to: 172.30.0.43, port: 80, protocol: TCP, expect: REJECT"),
      "");
}

TEST_F(IptablesRules, AreReachedByTheJumpsEverybodyLooksFor) {
  start_with_services();
  const auto jumps = YAML::LoadFile(VIADUCT_CONFORMANCE "/naming.yaml")["iptables"]["jumps"];
  ASSERT_GT(jumps.size(), 5U);
  for (const auto family : proxy::kFamilies) {
    const auto rules = lab_->saved_rules(family);
    for (const auto& jump : jumps) {
      const auto to = jump["to"].as<std::string>();
      if (to == "KUBE-FIREWALL")
        continue;  // only where localhost node ports need it, and uncommented
      const auto comment = jump["comment"].as<std::string>();
      const std::regex rule{"\n-A " + jump["hook"].as<std::string>() + " [^\n]*--comment \"" +
                            comment + "\"[^\n]* -j " + to + "\n"};
      EXPECT_TRUE(std::regex_search(rules, rule)) << to << " from " << jump["hook"] << " in\n"
                                                  << rules;
    }
  }
}

TEST_F(IptablesRules, OfAServiceAreFoundByTheHashAndCommentEverybodyComputes) {
  const auto examples =
      YAML::LoadFile(VIADUCT_CONFORMANCE "/naming.yaml")["iptables"]["hash"]["examples"];
  ASSERT_GT(examples.size(), 5U);
  int number = 0;
  std::map<std::string, YAML::Node> services;
  for (const auto& example : examples) {
    const auto endpoint = parse_socket_address(example["endpoint"].as<std::string>());
    const bool v4 = endpoint.ip.family() == Family::v4;
    const auto name_space = example["namespace"].as<std::string>();
    const auto name = example["service"].as<std::string>();
    const auto port_name = example["portName"].as<std::string>();
    auto protocol = example["protocol"].as<std::string>();
    std::ranges::transform(protocol, protocol.begin(),
                           [](unsigned char c) { return std::toupper(c); });
    YAML::Node port;
    if (!port_name.empty()) port["name"] = port_name;
    port["port"] = 80 + number;
    port["protocol"] = protocol;
    auto& service = services[name_space + "/" + name];
    if (!service["kind"]) {
      const auto vip = (v4 ? "172.30.1." : "fd00:172:30::1:") + std::to_string(10 + number);
      service["apiVersion"] = "v1";
      service["kind"] = "Service";
      service["metadata"]["namespace"] = name_space;
      service["metadata"]["name"] = name;
      service["spec"]["clusterIP"] = vip;
      service["spec"]["clusterIPs"].push_back(vip);
    }
    service["spec"]["ports"].push_back(port);
    YAML::Node slice;
    slice["apiVersion"] = "discovery.k8s.io/v1";
    slice["kind"] = "EndpointSlice";
    slice["metadata"]["namespace"] = name_space;
    slice["metadata"]["name"] = name + "-" + std::to_string(number++);
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = name;
    slice["addressType"] = v4 ? "IPv4" : "IPv6";
    YAML::Node slice_port;
    slice_port["name"] = port_name;
    slice_port["port"] = endpoint.port.value;
    slice_port["protocol"] = protocol;
    slice["ports"].push_back(slice_port);
    slice["endpoints"][0]["addresses"].push_back(endpoint.ip.text());
    lab_->cluster().apply(parse_object(slice));
  }
  for (const auto& [key, service] : services) lab_->cluster().apply(parse_object(service));
  lab_->start();
  lab_->settle();
  for (const auto& example : examples) {
    const auto endpoint = example["endpoint"].as<std::string>();
    const auto family = endpoint.starts_with('[') ? Family::v6 : Family::v4;
    const auto rules = lab_->saved_rules(family);
    const auto chain = "KUBE-SVC-" + example["serviceHash"].as<std::string>();
    EXPECT_THAT(rules, HasSubstr(":" + chain + " "));
    auto portname = example["portName"].as<std::string>();
    const auto full = example["namespace"].as<std::string>() + "/" +
                      example["service"].as<std::string>() +
                      (portname.empty() ? "" : ":" + portname);
    const std::regex dispatch{"--comment \"" + full + " cluster IP\"[^\n]* -j " + chain + "\n"};
    EXPECT_TRUE(std::regex_search(rules, dispatch)) << full << "\n" << rules;
    EXPECT_THAT(rules, HasSubstr("--to-destination " + endpoint));
  }
}

TEST_F(IptablesRules, LeaveForeignOnesAloneThroughSyncChangeAndCleanup) {
  add_foreign_rules();
  std::map<Family, std::string> before;
  for (const auto family : proxy::kFamilies) before[family] = lab_->saved_rules(family);
  start_with_services();
  for (const auto family : proxy::kFamilies) {
    EXPECT_EQ(foreign_lines(lab_->saved_rules(family)), foreign_lines(before[family]));
  }
  lab_->remove({"Service", "ns1", "web"});
  lab_->settle();
  for (const auto family : proxy::kFamilies) {
    EXPECT_EQ(foreign_lines(lab_->saved_rules(family)), foreign_lines(before[family]));
  }
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0) << lab_->daemon().process().output();
  const auto cleanup = run_viaduct(lab_->node(), {"cleanup"});
  EXPECT_EQ(cleanup.status, 0) << cleanup.output;
  for (const auto family : proxy::kFamilies) {
    EXPECT_EQ(without_empty_tables(lab_->saved_rules(family)),
              without_empty_tables(before[family]));
  }
  EXPECT_THAT(run_or_fail(lab_->node().net, {"nft", "list", "tables"}), Not(HasSubstr("viaduct")));
}

TEST_F(IptablesRules, AreGoneAfterCleanupOnANodeOfTheirOwn) {
  start_with_services();
  lab_->daemon().stop(SIGTERM);
  ASSERT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0);
  for (const auto family : proxy::kFamilies) {
    EXPECT_THAT(without_empty_tables(lab_->saved_rules(family)), IsEmpty());
  }
  EXPECT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0)
      << "a second time there is nothing to do";
}

}  // namespace
}  // namespace netns
