#include "proxy/status/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <set>

namespace proxy::status {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr Metrics::Time kNow{1000s};

std::string text_after_use() {
  Metrics metrics{"1.2.3", "iptables"};
  metrics.service_changes(2);
  metrics.endpoint_changes(3);
  metrics.queued(kNow);
  metrics.sync_succeeded(SyncKind::partial, "change", 3ms, kNow + 1s);
  metrics.sync_failed(SyncKind::partial, "change");
  metrics.programmed(Family::v6, 700ms);
  metrics.answered_healthz(503);
  metrics.answered_livez(200);
  metrics.outside_change();
  metrics.repaired();
  metrics.wrote(2, 30);
  metrics.api_request("10.0.0.1:6443", "200");
  return metrics.text({});
}

TEST(Metrics, CountWhatHappenedUnderKubeProxysNames) {
  const auto text = text_after_use();
  for (
      const auto* line : {
          "kubeproxy_sync_proxy_rules_service_changes_total 2\n",
          "kubeproxy_sync_proxy_rules_service_changes_pending 0\n",
          "kubeproxy_sync_proxy_rules_endpoint_changes_total 3\n",
          "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family=\"IPv4\"} 1000\n",
          "kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv6\"} 1001\n",
          "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.002\"} 0\n",
          "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.004\"} 1\n",
          "kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 1\n",
          "kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 0\n",
          "kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total{ip_family=\"IPv4\"} "
          "1\n",
          "kubeproxy_network_programming_duration_seconds_count{ip_family=\"IPv6\"} 1\n",
          "kubeproxy_proxy_healthz_total{code=\"503\"} 1\n",
          "kubeproxy_proxy_healthz_total{code=\"200\"} 0\n",
          "kubeproxy_proxy_livez_total{code=\"200\"} 1\n",
          "viaduct_outside_changes_total 1\n",
          "viaduct_repairs_total 1\n",
          "viaduct_transactions_total 2\n",
          "viaduct_operations_total 30\n",
          "rest_client_requests_total{code=\"200\",host=\"10.0.0.1:6443\",method=\"GET\"} 1\n",
          "viaduct_syncs_total{cause=\"change\",result=\"failure\"} 1\n",
      }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// The names that belong to this daemon rather than to a mode, with kube-proxy's types.
TEST(Metrics, HaveTheTypesOfKubeProxys) {
  const auto text = text_after_use();
  const std::set<std::string> of_modes{
      "kubeproxy_sync_proxy_rules_iptables_total",
      "kubeproxy_sync_proxy_rules_iptables_last",
      "kubeproxy_iptables_ct_state_invalid_dropped_packets_total",
      "kubeproxy_iptables_localhost_nodeports_accepted_packets_total",
      "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
      "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total",
      "kubeproxy_conntrack_reconciler_sync_duration_seconds",
      "kubeproxy_conntrack_reconciler_deleted_entries_total"};
  for (const auto& metric : YAML::LoadFile(VIADUCT_NAMING_YAML)["metrics"]["list"]) {
    const auto name = metric["name"].as<std::string>();
    if (of_modes.contains(name)) continue;
    EXPECT_THAT(text, HasSubstr("# TYPE " + name + " " + metric["type"].as<std::string>() + "\n"));
  }
}

TEST(Metrics, ShowAModesFiguresAsTheirNamesSay) {
  MomentaryFigures now;
  now.mode = {
      {"kubeproxy_sync_proxy_rules_iptables_total", {{"table", "nat"}, {"ip_family", "IPv4"}}, 7},
      {"kubeproxy_sync_proxy_rules_iptables_total", {{"table", "nat"}, {"ip_family", "IPv6"}}, 8},
      {"viaduct_conntrack_deleted_total", {}, 9}};
  const auto text = Metrics{"1", "iptables"}.text(now);
  EXPECT_THAT(text, HasSubstr("# TYPE kubeproxy_sync_proxy_rules_iptables_total gauge\n"));
  EXPECT_THAT(text, HasSubstr("{table=\"nat\",ip_family=\"IPv6\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE viaduct_conntrack_deleted_total counter\n"));
}

TEST(Metrics, ShowWhatHoldsNow) {
  MomentaryFigures now;
  now.service_ports = 5;
  now.set_aside = 1;
  now.process = ProcessFigures{.cpu_seconds = 1.5, .open_fds = 9};
  const auto text = Metrics{"1", "iptables"}.text(now);
  EXPECT_THAT(text, HasSubstr("viaduct_service_ports 5\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_set_aside_service_ports 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
  EXPECT_THAT(text, HasSubstr("process_open_fds 9\n"));
  EXPECT_THAT(Metrics("1", "x").text({}), Not(HasSubstr("process_")));
}

// Policies and endpoints of the conformance data's cases, as the state makes of them.
state::ServicePort case_of(const YAML::Node& node) {
  state::ServicePort port;
  const auto is_local = [&](const char* which) {
    return !node[which].IsNull() && node[which].as<std::string>() == "Local";
  };
  if (is_local("internal")) port.internal_policy = state::TrafficPolicy::local;
  if (is_local("external")) {
    port.external_policy = state::TrafficPolicy::local;
    port.node_port = Port{30001};
  }
  const auto endpoints = node["endpoints"].as<std::string>();
  port.has_any_endpoint = endpoints != "none at all";
  if (endpoints.starts_with("one local")) {
    port.local_endpoints = {{.address = IpAddress::v4(0x0a000001), .port = Port{80}}};
  }
  return port;
}

state::ServicePortName port_named(const char* port, Family family) {
  return {.service = {"ns", "svc"}, .port = port, .protocol = Protocol::tcp, .family = family};
}

TEST(NoLocalEndpointsGauge, CountsAsKubeProxyDoes) {
  const auto cases = YAML::LoadFile(VIADUCT_NAMING_YAML)["metrics"]["noLocalEndpointsCases"];
  ASSERT_GT(cases.size(), 5U);
  for (const auto& node : cases) {
    NoLocalEndpoints counts;
    counts.add(port_named("p80", Family::v6), case_of(node));
    EXPECT_EQ(counts.of(Family::v6).internal, node["internalGauge"].as<std::size_t>()) << node;
    EXPECT_EQ(counts.of(Family::v6).external, node["externalGauge"].as<std::size_t>()) << node;
    EXPECT_EQ(counts.of(Family::v4).internal + counts.of(Family::v4).external, 0U);
  }
}

TEST(NoLocalEndpointsGauge, CountsServicesInTheIpvsModeAndServicePortsElsewhere) {
  state::ServicePort remote_only;
  remote_only.internal_policy = state::TrafficPolicy::local;
  remote_only.has_any_endpoint = true;
  NoLocalEndpoints ports;
  NoLocalEndpoints services{NoLocalEndpoints::Unit::service};
  for (auto* counts : {&ports, &services}) {
    for (const auto* name : {"http", "https"}) {
      counts->add(port_named(name, Family::v4), remote_only);
    }
    counts->add(port_named("http", Family::v6), remote_only);
  }
  EXPECT_EQ(ports.of(Family::v4).internal, 2U);
  EXPECT_EQ(services.of(Family::v4).internal, 1U);
  EXPECT_EQ(services.of(Family::v6).internal, 1U);
  EXPECT_EQ(services.of(Family::v4).external, 0U);
}

TEST(ProcessFigures, AreReadWhateverTheProgramIsCalled) {
  const std::string stat =
      "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 1000 8192000 300 "
      "18446744073709551615 1 1";
  const auto figures = parse_process_figures(stat, "cpu 1\nbtime 1700000000\nx 1\n", 100, 4096);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->cpu_seconds, 2);
  EXPECT_EQ(figures->resident_bytes, 300 * 4096);
  EXPECT_EQ(figures->virtual_bytes, 8192000);
  EXPECT_EQ(figures->start_time, 1700000010);
}

TEST(ProcessFigures, ThatAreNotUnderstoodAreLeftOut) {
  EXPECT_FALSE(parse_process_figures("", "btime 1", 100, 4096));
  EXPECT_FALSE(parse_process_figures("1 (x) S 1 2", "btime 1", 100, 4096));
}

TEST(ProcessFigures, OfThisProcessAreThere) {
  const auto figures = process_figures();
  ASSERT_TRUE(figures);
  EXPECT_GT(figures->resident_bytes, 0);
  EXPECT_GT(figures->open_fds, 0);
}

}  // namespace
}  // namespace proxy::status
