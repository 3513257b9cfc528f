#include "proxy/config/from_flags.hpp"

#include "proxy/config/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

FlagValues flags_of(std::vector<std::string> words) {
  return parse_command_line(words).value().flags;
}

// The configuration of a run on manifests with more flags.
Result<Config> config_of(std::vector<std::string> words) {
  words.emplace_back("--manifests=/etc/manifests");
  return config_from_flags(flags_of(std::move(words)), "Node-A");
}

std::string complaint(std::vector<std::string> words) {
  const auto config = config_of(std::move(words));
  return config ? "no complaint" : config.error().text();
}

TEST(Config, WithoutFlagsIsThatOfKubeProxy) {
  auto expected = Config{};
  expected.manifests = "/etc/manifests";
  expected.node_name = "node-a";
  expected.healthz = SocketAddress{IpAddress::any(Family::v4), Port{10256}};
  expected.metrics = SocketAddress{IpAddress::loopback(Family::v4), Port{10249}};
  expected.admin_socket = "/run/viaduct/admin.sock";
  EXPECT_EQ(config_of({}).value(), expected);
}

TEST(Config, HasOneSourceOfRecords) {
  EXPECT_THAT(complaint({"--kubeconfig=/k"}), HasSubstr("records have one source"));
  EXPECT_THAT(complaint({"--master=https://10.0.0.1"}), HasSubstr("records have one source"));
  EXPECT_FALSE(config_of({}).value().api);
}

TEST(Config, RecordsComeFromTheApiUnlessThereAreManifests) {
  const auto config =
      config_from_flags(flags_of({"--kubeconfig=/k", "--master=https://10.0.0.1"}), "a").value();
  EXPECT_EQ(config.manifests, "");
  EXPECT_EQ(config.api, (ApiServer{.kubeconfig = "/k",
                                   .master = "https://10.0.0.1",
                                   .endpoints = false,
                                   .state_file = "/var/lib/viaduct/records.state"}));
  // Found by the environment, if this is a pod.
  EXPECT_TRUE(config_from_flags(flags_of({}), "a").value().api);
}

TEST(Config, KnowsTwoSourcesOfEndpoints) {
  const auto old =
      config_from_flags(flags_of({"--endpoint-source=endpoints", "--state-file="}), "a");
  EXPECT_TRUE(old.value().api->endpoints);
  EXPECT_EQ(old.value().api->state_file, "");
  const auto wrong = config_from_flags(flags_of({"--endpoint-source=pods"}), "a");
  EXPECT_THAT(wrong.error().text(), StartsWith("--endpoint-source: "));
}

TEST(Config, ACheckNeedsManifests) {
  const auto none = config_for_check(flags_of({}), "a");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().text(), StartsWith("--manifests: needed"));
}

TEST(NodeName, IsTrimmedAndInLowerCase) {
  EXPECT_EQ(config_of({"--hostname-override= Worker-7.Example "}).value().node_name,
            "worker-7.example");
  EXPECT_EQ(config_of({"--hostname-override="}).value().node_name, "node-a");
  EXPECT_THAT(complaint({"--hostname-override=  "}), StartsWith("--hostname-override: "));
}

TEST(ProxyModes, ThatAreNotThereAreRefusedByName) {
  EXPECT_EQ(config_of({"--proxy-mode="}).value().mode, ProxyMode::iptables);
  EXPECT_EQ(config_of({"--proxy-mode=none"}).value().mode, ProxyMode::none);
  EXPECT_THAT(complaint({"--proxy-mode=nftables"}), HasSubstr("not offered"));
  EXPECT_EQ(config_of({"--proxy-mode=ipvs"}).value().mode, ProxyMode::ipvs);
  EXPECT_THAT(complaint({"--proxy-mode=IPTables"}), StartsWith("--proxy-mode: \"IPTables\""));
}

TEST(Mode, OfIpvsHasFlagsOfItsOwn) {
  const auto config = config_of(
      {"--proxy-mode=ipvs", "--proxy-mode-fallback=iptables", "--ipvs-scheduler=wlc",
       "--ipvs-sync-period=20s", "--ipvs-min-sync-period=0s", "--iptables-sync-period=40s",
       "--ipvs-exclude-cidrs=192.0.2.0/24,2001:db8::/32", "--ipvs-strict-arp",
       "--ipvs-tcp-timeout=15m", "--ipvs-tcpfin-timeout=1500ms", "--ipvs-drain-limit=0s"});
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->fall_back_to_iptables);
  EXPECT_EQ(config->sync_period, std::chrono::seconds{20});
  EXPECT_EQ(config->min_sync_period, std::chrono::seconds{0});
  EXPECT_EQ(config->ipvs.scheduler, "wlc");
  EXPECT_EQ(config->ipvs.exclude_cidrs.size(), 2U);
  EXPECT_TRUE(config->ipvs.strict_arp);
  EXPECT_EQ(config->ipvs.tcp_timeout, std::chrono::minutes{15});
  EXPECT_EQ(config->ipvs.tcp_fin_timeout, std::chrono::seconds{2});  // the kernel counts seconds
  EXPECT_EQ(config->ipvs.udp_timeout, std::chrono::seconds{0});
  EXPECT_EQ(config->ipvs.drain_limit, std::chrono::seconds{0});
}

TEST(Mode, OfIpvsRefusesWhatMakesNoSense) {
  EXPECT_THAT(complaint({"--ipvs-tcp-timeout=-1s"}), StartsWith("--ipvs-tcp-timeout: "));
  EXPECT_THAT(complaint({"--ipvs-exclude-cidrs=192.0.2.0"}), StartsWith("--ipvs-exclude-cidrs: "));
  EXPECT_THAT(complaint({"--proxy-mode-fallback=none"}), StartsWith("--proxy-mode-fallback: "));
  EXPECT_THAT(complaint({"--proxy-mode=ipvs", "--ipvs-sync-period=0s"}),
              StartsWith("--ipvs-sync-period: "));
}

TEST(Validation, KeepsNumbersWithinTheirRanges) {
  EXPECT_EQ(complaint({"--iptables-masquerade-bit=32"}),
            "--iptables-masquerade-bit: 32 is not from 0 to 31");
  EXPECT_THAT(complaint({"--oom-score-adj=-1001"}), StartsWith("--oom-score-adj: "));
  EXPECT_THAT(complaint({"--conntrack-min=-1"}), StartsWith("--conntrack-min: "));
  EXPECT_THAT(complaint({"--conntrack-udp-timeout=-1s"}), StartsWith("--conntrack-udp-timeout: "));
  EXPECT_THAT(complaint({"--v=11"}), StartsWith("--v: "));
}

TEST(Validation, KeepsPeriodsInOrder) {
  EXPECT_THAT(complaint({"--iptables-sync-period=0s"}), StartsWith("--iptables-sync-period: "));
  EXPECT_THAT(complaint({"--iptables-min-sync-period=31s"}),
              StartsWith("--iptables-min-sync-period: "));
  EXPECT_THAT(complaint({"--config-sync-period=0"}), StartsWith("--config-sync-period: "));
  EXPECT_EQ(config_of({"--iptables-min-sync-period=0"}).value().min_sync_period, 0s);
}

TEST(DetectLocalFlags, ComeInMatchingPairs) {
  EXPECT_THAT(complaint({"--detect-local-mode=BridgeInterface"}),
              StartsWith("--pod-bridge-interface: needed"));
  EXPECT_THAT(complaint({"--detect-local-mode=InterfaceNamePrefix"}),
              StartsWith("--pod-interface-name-prefix: needed"));
  EXPECT_THAT(complaint({"--detect-local-mode=Guess"}), StartsWith("--detect-local-mode: "));
  EXPECT_THAT(complaint({"--pod-bridge-interface=averyveryverylongname"}),
              StartsWith("--pod-bridge-interface: longer"));
  EXPECT_EQ(
      config_of({"--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix=veth"})
          .value()
          .detect_local.interface_name_prefix,
      "veth");
}

TEST(ClusterCidr, HasAtMostOneOfEachFamily) {
  EXPECT_EQ(
      config_of({"--cluster-cidr=10.0.0.0/8,fd00::/48"}).value().detect_local.cluster_cidrs.size(),
      2U);
  EXPECT_THAT(config_of({"--cluster-cidr="}).value().detect_local.cluster_cidrs, IsEmpty());
  EXPECT_EQ(complaint({"--cluster-cidr=10.0.0.0/8,11.0.0.0/8"}),
            "--cluster-cidr: more than one IPv4 CIDR");
  EXPECT_THAT(complaint({"--cluster-cidr=10.0.0.0"}), StartsWith("--cluster-cidr: \"10.0.0.0\""));
}

TEST(NodePortAddressesFlag, TakesCidrsOrWords) {
  EXPECT_EQ(config_of({}).value().node_port_addresses, NodePortAddresses{});
  const auto all = config_of({"--nodeport-addresses=all"}).value();
  EXPECT_EQ(all.node_port_addresses,
            (NodePortAddresses{.primary = false, .loopback_v6 = true, .ranges = {}}));
  EXPECT_TRUE(config_of({"--nodeport-addresses=primary"}).value().node_port_addresses.primary);
  const auto both = config_of({"--nodeport-addresses=primary,localhost"}).value();
  EXPECT_TRUE(both.node_port_addresses.primary);
  EXPECT_EQ(both.node_port_addresses.ranges.at(0).text(), "127.0.0.0/8");
  EXPECT_EQ(both.node_port_addresses.ranges.at(1).text(), "::1/128");
  EXPECT_TRUE(both.node_port_addresses.loopback_v6);
  const auto range = config_of({"--nodeport-addresses=::1/128"}).value();
  EXPECT_FALSE(range.node_port_addresses.loopback_v6);
  EXPECT_EQ(complaint({"--nodeport-addresses=primary,10.0.0.0/8"}),
            "--nodeport-addresses: primary and CIDRs exclude each other");
  EXPECT_THAT(complaint({"--nodeport-addresses=all,10.0.0.0/8"}), HasSubstr("stands alone"));
  EXPECT_THAT(complaint({"--nodeport-addresses=10.0.0.0/33"}), HasSubstr("\"10.0.0.0/33\""));
}

TEST(ServerAddresses, FollowThePrimaryFamilyUnlessGiven) {
  const auto v6 = config_of({"--bind-address=::"}).value();
  EXPECT_EQ(v6.healthz->text(), "[::]:10256");
  EXPECT_EQ(v6.metrics->text(), "[::1]:10249");
  const auto given = config_of({"--healthz-bind-address=10.0.0.1"}).value();
  EXPECT_EQ(given.healthz->text(), "10.0.0.1:10256");
}

TEST(ServerAddresses, CanBeTurnedOff) {
  EXPECT_FALSE(config_of({"--healthz-bind-address="}).value().healthz);
  EXPECT_FALSE(config_of({"--healthz-port=0"}).value().healthz);
  EXPECT_FALSE(config_of({"--metrics-port=0"}).value().metrics);
  EXPECT_EQ(config_of({"--healthz-port=8080"}).value().healthz->text(), "0.0.0.0:8080");
  EXPECT_THAT(complaint({"--metrics-bind-address="}), StartsWith("--metrics-bind-address: empty"));
}

TEST(Warnings, AreGivenForFlagsWithoutEffectAndDeprecatedOnesOnly) {
  EXPECT_THAT(warnings(flags_of({"--masquerade-all", "--manifests=x"})), IsEmpty());
  EXPECT_THAT(warnings(flags_of({"--kube-api-qps=50", "--healthz-port=1", "--kube-api-qps=51"})),
              ElementsAre("--healthz-port is deprecated, use --healthz-bind-address",
                          "--kube-api-qps has no effect: a few long watches need no limit; "
                          "servers that are busy are obeyed"));
}

TEST(ConfigForCheck, NeedsNoModeAndKeepsTheRest) {
  const auto config =
      config_for_check(flags_of({"check", "--manifests=d", "--hostname-override=N"}), "a").value();
  EXPECT_EQ(config.manifests, "d");
  EXPECT_EQ(config.node_name, "n");
}

}  // namespace
}  // namespace proxy::config
