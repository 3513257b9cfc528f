#include "proxy/explain/explain.hpp"

#include "tests/netns/scenario_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace proxy::explain {
namespace {

using netns::Flow;
using netns::Verdict;
using testing::Contains;
using testing::HasSubstr;

// ── questions
// ─────────────────────────────────────────────────────────────────────────────────────

TEST(Question, IsAnAddressAPortAndPerhapsAProtocol) {
  const auto dns = parse_question("10.96.0.10:53/udp").value();
  EXPECT_EQ(dns.to.text(), "10.96.0.10");
  EXPECT_EQ(dns.port.value, 53);
  EXPECT_EQ(dns.protocol, Protocol::udp);
  EXPECT_EQ(parse_question("[fd00::a]:80").value().protocol, Protocol::tcp);
  EXPECT_EQ(parse_question("10.0.0.1:9/SCTP").value().protocol, Protocol::sctp);
  for (const auto* wrong : {"", "10.96.0.10", "10.96.0.10:0", "10.96.0.10:53/icmp", "web:80",
                            "10.96.0.10:70000", "fd00::a:80/", "10.96.0.10:53/udp/tcp"}) {
    EXPECT_FALSE(parse_question(wrong)) << wrong;
  }
}

// ── every flow scenario
// ───────────────────────────────────────────────────────────────────────────

std::vector<IpPrefix> prefixes(const std::string& comma_separated) {
  return config::parse_prefixes(comma_separated).value();
}

NodeView node_view(const netns::ProxySettings& proxy, const state::ServiceTable& table,
                   const netns::ModeTraits& mode) {
  NodeView view;
  // What tests/conformance/flows/TOPOLOGY.md says of node-a.
  for (const auto* address :
       {"192.168.0.2", "192.168.1.2", "192.168.99.11", "2001:db8::2", "2001:db8:1::2"}) {
    view.addresses.push_back(*parse_ip(address));
  }
  for (const auto& address : proxy.extra_node_addresses) view.addresses.push_back(address);
  view.primary_ips = {view.addresses[0], view.addresses[3]};
  if (table.node() != nullptr) view.pod_cidrs = table.node()->pod_cidrs;
  view.detect_local.cluster_cidrs = prefixes(proxy.cluster_cidr);
  if (proxy.detect_local_mode == "NodeCIDR") {
    view.detect_local.mode = config::DetectLocalMode::node_cidr;
  }
  view.masquerade_all = proxy.masquerade_all;
  view.by_ipvs = mode.name == "ipvs";
  view.node_ports_on_loopback_v4 = !view.by_ipvs && proxy.localhost_node_ports.value_or(true);
  for (const auto& range : proxy.node_port_addresses.value_or(std::vector<std::string>{})) {
    if (range == "primary") {
      view.node_port_addresses.primary = true;
    } else {
      view.node_port_addresses.ranges.push_back(*parse_prefix(range));
    }
  }
  return view;
}

records::Node node_of(const netns::ProxySettings& proxy) {
  records::Node out;
  out.name = {"", proxy.node_name};
  if (proxy.zone) out.labels.emplace("topology.kubernetes.io/zone", *proxy.zone);
  for (const auto& cidr : proxy.node_pod_cidrs) out.pod_cidrs.push_back(*parse_prefix(cidr));
  return out;
}

Fate wanted(Verdict verdict) {
  switch (verdict) {
    case Verdict::endpoints:
      return Fate::forwarded;
    case Verdict::drop:
      return Fate::dropped;
    case Verdict::reject:
      return Fate::rejected;
    case Verdict::pass:
    case Verdict::accept:
      return Fate::untouched;
  }
  return Fate::untouched;
}

void expect_as_the_scenario_says(const Flow& flow, const Explanation& explanation,
                                 const NodeView& node, const netns::ModeTraits& mode) {
  const auto& expected = netns::expectation(flow, mode);
  EXPECT_EQ(to_string(explanation.fate), to_string(wanted(expected.verdict)));
  EXPECT_FALSE(explanation.because.empty());
  if (expected.verdict != Verdict::endpoints) return;
  // The node's own source is an address of the node either way.
  const bool is_node = flow.from.is_loopback() ||
                       std::ranges::find(node.addresses, flow.from) != node.addresses.end();
  std::map<std::string, bool> met, wanted;
  for (const auto& [endpoint, sees] : explanation.destinations) {
    met[endpoint.text()] = is_node || sees == Source::node;
    EXPECT_TRUE(is_node || sees != Source::unknown) << "it is known who sends";
  }
  for (const auto& [endpoint, masqueraded] : expected.masquerade) {
    wanted[endpoint.text()] = is_node || masqueraded;
  }
  EXPECT_EQ(met, wanted);
}

class FlowExplanation
    : public testing::TestWithParam<std::tuple<std::string, std::filesystem::path>> {};

TEST_P(FlowExplanation, IsWhatTheScenarioSays) {
  const auto& [mode_name, file] = GetParam();
  const auto scenario = netns::load_scenario(file);
  const auto mode = netns::mode_traits(mode_name);
  if (!netns::applies(scenario, mode)) GTEST_SKIP() << "not for the mode " << mode_name;

  state::ServiceTable table{{scenario.proxy.node_name}};
  table.change({records::Record{node_of(scenario.proxy)}});
  for (const auto& step : scenario.steps) {
    table.change(netns::changes_of(step));
    const auto node = node_view(scenario.proxy, table, mode);
    for (const auto& flow : step.flows) {
      if (!netns::applies(flow, mode)) continue;
      SCOPED_TRACE(step.name + ", " + flow.name + ": " + flow.text());
      const Question question{flow.to.ip, flow.to.port, flow.protocol, flow.from};
      expect_as_the_scenario_says(flow, explain(table, node, question), node, mode);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, FlowExplanation,
    testing::Combine(testing::Values("iptables", "ipvs"),
                     testing::ValuesIn(netns::scenario_files({VIADUCT_FLOWS, VIADUCT_LAB_FLOWS}))),
    [](const auto& scenario) {
      return std::get<0>(scenario.param) + "_" + netns::test_name(std::get<1>(scenario.param));
    });

// ── what else an operator asks ────────────────────────────────────────────────────────────────

class Explain : public testing::Test {
 protected:
  void SetUp() override {
    node_.addresses = {*parse_ip("192.168.0.2")};
    node_.detect_local.cluster_cidrs = {*parse_prefix("10.244.0.0/16")};
    records::Service service;
    service.name = {"shop", "web"};
    service.cluster_ips = {*parse_ip("10.96.0.10")};
    service.ip_families = {Family::v4};
    service.ports.resize(1);
    service.ports[0].name = "http";
    service.ports[0].port = Port{80};
    records::EndpointSlice slice;
    slice.name = {"shop", "web-1"};
    slice.service = "web";
    slice.ports = {{"http", Protocol::tcp, Port{8080}}};
    slice.endpoints.resize(1);
    slice.endpoints[0].address = *parse_ip("10.244.1.7");
    table_.replace({records::Record{service}, records::Record{slice}});
  }
  [[nodiscard]] Explanation ask(const std::string& to, const std::string& from = "") const {
    auto question = parse_question(to).value();
    if (!from.empty()) question.from = *parse_ip(from);
    return explain(table_, node_, question);
  }

  state::ServiceTable table_{{"node-a"}};
  NodeView node_;
};

TEST_F(Explain, SaysWhoseVipItIsAndWhoIsReached) {
  const auto explanation = ask("10.96.0.10:80");
  EXPECT_EQ(explanation.fate, Fate::forwarded);
  EXPECT_EQ(explanation.service->text(), "shop/web:http");
  EXPECT_EQ(explanation.by, "cluster IP");
  ASSERT_EQ(explanation.destinations.size(), 1U);
  EXPECT_EQ(explanation.destinations[0].endpoint.text(), "10.244.1.7:8080");
  EXPECT_EQ(explanation.destinations[0].sees, Source::unknown);
  EXPECT_THAT(explanation.because,
              Contains("10.96.0.10 TCP port 80 is the cluster IP of shop/web:http"));
}

TEST_F(Explain, SaysWhichPortsAVipHasInstead) {
  const auto explanation = ask("10.96.0.10:443");
  EXPECT_EQ(explanation.fate, Fate::untouched);
  EXPECT_THAT(explanation.because, Contains("10.96.0.10 belongs to shop/web:http, at TCP port 80"));
  EXPECT_EQ(ask("10.96.0.10:80/udp").fate, Fate::untouched);
}

TEST_F(Explain, SaysThatAnAddressIsNobodys) {
  EXPECT_THAT(ask("10.96.0.99:80").because, Contains(HasSubstr("no service's VIP")));
  EXPECT_THAT(ask("192.168.0.2:80").because, Contains(HasSubstr("no service's node port")));
}

TEST_F(Explain, WarnsOfAHairpin) {
  const auto explanation = ask("10.96.0.10:80", "10.244.1.7");
  EXPECT_EQ(explanation.destinations.at(0).sees, Source::node);
  EXPECT_THAT(explanation.because, Contains(HasSubstr("would reach itself")));
}

}  // namespace
}  // namespace proxy::explain
