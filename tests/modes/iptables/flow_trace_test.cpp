// Every flow case of tests/conformance/flows/ and tests/netns/flows/ as a trace through the rules
// that are planned.
#include "tests/modes/iptables/packet_trace.hpp"
#include "tests/modes/iptables/planner_driver.hpp"
#include "tests/netns/scenario_records.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

namespace modes::iptables {
namespace {

using netns::Flow;
using netns::Scenario;
using netns::Verdict;
using proxy::records::Record;
using testing::Arrival;
using testing::Fate;
namespace records = proxy::records;

std::vector<IpPrefix> prefixes(std::string_view comma_separated) {
  std::vector<IpPrefix> out;
  while (!comma_separated.empty()) {
    const auto comma = std::min(comma_separated.find(','), comma_separated.size());
    out.push_back(*proxy::parse_prefix(comma_separated.substr(0, comma)));
    comma_separated.remove_prefix(std::min(comma + 1, comma_separated.size()));
  }
  return out;
}

Settings settings_of(const netns::ProxySettings& proxy) {
  Settings out;
  out.local = LocalByPrefix{prefixes(proxy.cluster_cidr)};
  if (proxy.detect_local_mode == "NodeCIDR") out.local = LocalByNodePrefix{};
  out.masquerade_all = proxy.masquerade_all;
  out.localhost_node_ports = proxy.localhost_node_ports.value_or(true);
  for (const auto& range : proxy.node_port_addresses.value_or(std::vector<std::string>{})) {
    if (range == "primary") {
      out.node_port_addresses.primary = true;
    } else {
      out.node_port_addresses.ranges.push_back(*proxy::parse_prefix(range));
    }
  }
  return out;
}

// The Node object that the cluster has besides the scenario's own.
records::Node node_of(const netns::ProxySettings& proxy) {
  records::Node out;
  out.name = {"", proxy.node_name};
  if (proxy.zone) out.labels.emplace("topology.kubernetes.io/zone", *proxy.zone);
  for (const auto& cidr : proxy.node_pod_cidrs) out.pod_cidrs.push_back(*proxy::parse_prefix(cidr));
  return out;
}

// What tests/conformance/flows/TOPOLOGY.md says of node-a, and what its Node object says.
NodeFacts facts_of(const netns::ProxySettings& proxy, const ServiceTable& table) {
  NodeFacts out;
  for (const auto* address : {"192.168.0.2", "192.168.1.2", "192.168.99.11", "127.0.0.1",
                              "2001:db8::2", "2001:db8:1::2", "::1"})
    out.addresses.push_back(*proxy::parse_ip(address));
  for (const auto& address : proxy.extra_node_addresses) out.addresses.push_back(address);
  out.primary_ips = {out.addresses[0], out.addresses[4]};
  if (table.node() != nullptr) out.pod_cidrs = table.node()->pod_cidrs;
  return out;
}

std::string text(const Arrival& arrival) {
  const char* fate = arrival.fate == Fate::arrives   ? "arrives at "
                     : arrival.fate == Fate::dropped ? "dropped on the way to "
                                                     : "rejected on the way to ";
  return fate + netns::SocketAddress{arrival.destination, arrival.port}.text() +
         (arrival.masqueraded ? " masqueraded" : "") + (arrival.accepted ? " accepted" : "");
}

// What should happen, in the trace's terms.
std::set<std::string> wanted(const Flow& flow, const NodeFacts& node) {
  const auto& expectation = netns::expectation(flow, netns::mode_traits("iptables"));
  std::set<std::string> out;
  switch (expectation.verdict) {
    case Verdict::endpoints:
      for (const auto& [endpoint, masqueraded] : expectation.masquerade) {
        // The node's own source is an address of the node with and without masquerading.
        const bool is_node = std::ranges::find(node.addresses, flow.from) != node.addresses.end();
        out.insert("arrives at " + endpoint.text() +
                   (masqueraded && !is_node ? " masqueraded" : ""));
      }
      break;
    case Verdict::drop:
      out.insert("dropped on the way to " + flow.to.text());
      break;
    case Verdict::reject:
      out.insert("rejected on the way to " + flow.to.text());
      break;
    case Verdict::pass:
      out.insert("arrives at " + flow.to.text());
      break;
    case Verdict::accept:
      out.insert("arrives at " + flow.to.text() + " accepted");
      break;
  }
  return out;
}

std::set<std::string> met(const Flow& flow, const NodeFacts& node,
                          const fakes::FakeRuleset& ruleset) {
  testing::Packet packet{flow.from, flow.to.ip, flow.protocol, flow.to.port, "veth0"};
  const bool is_node = std::ranges::find(node.addresses, flow.from) != node.addresses.end();
  if (is_node) packet.in_interface.clear();
  const bool accept =
      netns::expectation(flow, netns::mode_traits("iptables")).verdict == Verdict::accept;
  std::set<std::string> out;
  for (auto arrival : testing::trace(ruleset, node.addresses, packet)) {
    if (is_node) arrival.masqueraded = false;
    arrival.accepted = arrival.accepted && accept;
    out.insert(text(arrival));
  }
  return out;
}

// A service of nobody's scenario with so many endpoints that the rules are those of a large
// cluster.
std::vector<proxy::sources::Change> crowd() {
  records::Service service;
  service.name = {"crowd", "crowd"};
  service.cluster_ips = {*proxy::parse_ip("172.30.255.254")};
  auto& port = service.ports.emplace_back();
  port.name = "p";
  port.port = proxy::Port{80};
  records::EndpointSlice slice;
  slice.name = {"crowd", "crowd-1"};
  slice.service = "crowd";
  slice.ports = {{.name = "p", .port = port.port}};
  for (std::uint32_t i = 0; i <= 1000; ++i) {
    slice.endpoints.emplace_back().address = IpAddress::v4(0x0ab50000U + i);  // 10.181.0.0
  }
  return {Record{std::move(service)}, Record{std::move(slice)}};
}

class FlowTrace : public ::testing::TestWithParam<std::filesystem::path> {};

void check(const std::filesystem::path& file, const std::vector<proxy::sources::Change>& others) {
  const auto scenario = netns::load_scenario(file);
  const auto mode = netns::mode_traits("iptables");
  if (!netns::applies(scenario, mode)) GTEST_SKIP() << "not for the iptables mode";

  ServiceTable table{{scenario.proxy.node_name}};
  fakes::FakeRuleset kernel;
  table.change({Record{node_of(scenario.proxy)}});
  table.change(others);
  testing::Driver driver{kernel, settings_of(scenario.proxy)};
  for (const auto& step : scenario.steps) {
    SCOPED_TRACE(step.name);
    table.change(netns::changes_of(step));
    const auto changed = table.take_changes();
    const auto facts = facts_of(scenario.proxy, table);
    if (facts != std::exchange(driver.facts, facts)) {  // at first, and when the node changes
      driver.reconcile(table);
    } else {
      driver.sync(table, changed);
    }
    for (const auto& flow : step.flows) {
      if (!netns::applies(flow, mode)) continue;
      EXPECT_EQ(met(flow, driver.facts, kernel), wanted(flow, driver.facts))
          << flow.name << ": " << flow.text();
    }
  }
}

TEST_P(FlowTrace, EveryPacketMeetsWhatTheScenarioSays) {
  check(GetParam(), {});
}

TEST_P(FlowTrace, EveryPacketMeetsTheSameInALargeCluster) {
  check(GetParam(), crowd());
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FlowTrace,
                         ::testing::ValuesIn(netns::scenario_files({VIADUCT_FLOWS,
                                                                    VIADUCT_LAB_FLOWS})),
                         [](const auto& scenario) { return netns::test_name(scenario.param); });

}  // namespace
}  // namespace modes::iptables
