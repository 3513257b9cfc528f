// Every flow case of tests/conformance/flows/, without a packet: what a mode that follows the table
// to the letter (kube-proxy's iptables mode) would do with each flow.
#include "proxy/state/service_table.hpp"
#include "tests/netns/scenario_records.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace proxy::state {
namespace {

using netns::Flow;
using netns::ProxySettings;
using netns::Scenario;
using netns::Verdict;

constexpr auto kMode = "iptables";

bool in_any(std::string_view comma_separated, const IpAddress& address) {
  while (!comma_separated.empty()) {
    const auto comma = std::min(comma_separated.find(','), comma_separated.size());
    const auto range = parse_prefix(comma_separated.substr(0, comma));
    if (range && range->contains(address)) return true;
    comma_separated.remove_prefix(std::min(comma + 1, comma_separated.size()));
  }
  return false;
}

bool is_node_address(const ProxySettings& settings, const IpAddress& address) {
  return address.is_loopback() || std::ranges::count(settings.node_ips, address) != 0 ||
         std::ranges::count(settings.extra_node_addresses, address) != 0;
}

// Traffic of pods and of the node itself, which external traffic policy Local does not bind.
bool is_internal(const ProxySettings& settings, const IpAddress& from) {
  if (is_node_address(settings, from)) return true;
  if (settings.detect_local_mode == "NodeCIDR") {
    return std::ranges::any_of(settings.node_pod_cidrs,
                               [&](const auto& cidr) { return in_any(cidr, from); });
  }
  return in_any(settings.cluster_cidr, from);
}

bool holds(const auto& range, const auto& value) {
  return std::ranges::find(range, value) != range.end();
}

// What becomes of a flow: the endpoints it may reach, or why it reaches none.
struct Fate {
  Verdict verdict = Verdict::pass;
  std::set<std::string> endpoints;
};

Fate deliver(const ServicePort& port, const EndpointList& endpoints) {
  if (endpoints.empty()) return {port.has_any_endpoint ? Verdict::drop : Verdict::reject, {}};
  Fate fate{Verdict::endpoints, {}};
  for (const auto& endpoint : endpoints) fate.endpoints.insert(endpoint.text());
  return fate;
}

Fate fate_of(const Flow& flow, const ServiceTable& table, const ProxySettings& settings) {
  const bool leaves_node =
      is_node_address(settings, flow.from) && !is_node_address(settings, flow.to.ip);
  const auto deliver_external = [&](const ServicePort& port) {
    auto fate = deliver(port, is_internal(settings, flow.from) ? port.cluster_endpoints
                                                               : port.external_endpoints());
    // What the node itself sends to an external VIP without endpoints is not rejected: kube-proxy
    // asks its chain of external services only on INPUT and FORWARD.
    return leaves_node && fate.verdict == Verdict::reject ? Fate{} : fate;
  };
  Fate fate;
  table.for_each([&](const ServicePortName& name, const ServicePort& port) {
    if (port.health_check_node_port == flow.to.port && flow.protocol == Protocol::tcp &&
        is_node_address(settings, flow.to.ip)) {
      fate = {Verdict::accept, {}};
    }
    if (name.protocol != flow.protocol || name.family != flow.to.ip.family()) return;
    if (port.port == flow.to.port) {
      if (port.cluster_ip == flow.to.ip) fate = deliver(port, port.internal_endpoints());
      if (holds(port.external_ips, flow.to.ip)) fate = deliver_external(port);
      if (holds(port.load_balancer_ips, flow.to.ip)) {
        const bool allowed =
            !port.source_ranges || std::ranges::any_of(*port.source_ranges, [&](const auto& range) {
              return range.contains(flow.from);
            });
        fate = allowed || !port.has_any_endpoint ? deliver_external(port) : Fate{Verdict::drop, {}};
      }
    }
    if (port.node_port == flow.to.port && is_node_address(settings, flow.to.ip)) {
      fate = deliver_external(port);
    }
  });
  return fate;
}

Fate expected(const Flow& flow) {
  const auto& expectation = netns::expectation(flow, netns::mode_traits(kMode));
  Fate fate{expectation.verdict, {}};
  for (const auto& [endpoint, masqueraded] : expectation.masquerade) {
    fate.endpoints.insert(endpoint.text());
  }
  return fate;
}

class FlowConformance : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(FlowConformance, EveryFlowMeetsWhatTheTableSays) {
  const auto scenario = netns::load_scenario(GetParam());
  const auto mode = netns::mode_traits(kMode);
  if (!netns::applies(scenario, mode)) GTEST_SKIP() << "not for mode " << kMode;

  ServiceTable table{NodeIdentity{scenario.proxy.node_name}};
  for (const auto& step : scenario.steps) {
    SCOPED_TRACE(step.name);
    table.change(netns::changes_of(step));
    for (const auto& flow : step.flows) {
      // Which node addresses take node ports is for the mode to say, not for the table.
      if (!netns::applies(flow, mode) || scenario.proxy.node_port_addresses ||
          scenario.proxy.localhost_node_ports == false) {
        continue;
      }
      const auto fate = fate_of(flow, table, scenario.proxy);
      EXPECT_EQ(fate.verdict, expected(flow).verdict) << flow.name << ": " << flow.text();
      EXPECT_EQ(fate.endpoints, expected(flow).endpoints) << flow.name << ": " << flow.text();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FlowConformance,
                         ::testing::ValuesIn(netns::scenario_files({VIADUCT_FLOWS})),
                         [](const auto& scenario) { return netns::test_name(scenario.param); });

}  // namespace
}  // namespace proxy::state
