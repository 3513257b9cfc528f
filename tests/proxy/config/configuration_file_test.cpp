#include "proxy/config/configuration_file.hpp"

#include "proxy/config/command_line.hpp"
#include "proxy/config/from_flags.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <sstream>

namespace proxy::config {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::string kHead =
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

struct Reading {
  FlagValues flags;
  Result<std::vector<std::string>> warnings;
};

Reading read(const std::string& fields, std::vector<std::string> words = {},
             UnknownFields unknown = UnknownFields::warn) {
  words.emplace_back("--manifests=/m");
  Reading reading{parse_command_line(words).value().flags, std::vector<std::string>{}};
  reading.warnings = read_configuration(reading.flags, "c.conf", kHead + fields, unknown);
  return reading;
}

Result<Config> config_of(const std::string& fields, std::vector<std::string> words = {}) {
  const auto reading = read(fields, std::move(words));
  if (!reading.warnings) return reading.warnings.error();
  return config_from_flags(reading.flags, "node-a");
}

std::string complaint(const std::string& fields) {
  const auto config = config_of(fields);
  return config ? "no complaint" : config.error().text();
}

TEST(ConfigurationFields, AreThoseOfKubeProxyWithTheirDefaults) {
  const auto list = YAML::LoadFile(VIADUCT_NAMING_YAML)["configuration"]["fields"];
  ASSERT_GT(list.size(), 50U);
  for (const auto& expected : list) {
    const auto path = expected["field"].as<std::string>();
    if (path == "apiVersion" || path == "kind") continue;
    const auto fields = configuration_fields();
    const auto field = std::ranges::find(fields, path, &ConfigurationField::path);
    ASSERT_NE(field, fields.end()) << path;
    const auto standard = expected["default"];
    // Where the two servers listen by default follows the node's primary family.
    if (!standard.IsScalar() || path.ends_with("zBindAddress") || path.starts_with("metricsB")) {
      continue;
    }
    const auto text = standard.IsNull() ? "" : standard.as<std::string>();
    EXPECT_EQ(field->standard, text == "null" ? "" : text) << path;
  }
}

TEST(ConfigurationFields, EachHaveAFlagOrAReasonWhyNot) {
  for (const auto& field : configuration_fields()) {
    if (field.flag.empty()) {
      EXPECT_FALSE(field.no_effect.empty()) << field.path;
    } else {
      EXPECT_NE(find_flag(field.flag), nullptr) << field.path;
    }
  }
}

// What kubeadm writes into the ConfigMap kube-proxy.
TEST(ConfigurationFile, ThatKubeadmWritesMeansTheDefaultsAndSaysNothing) {
  const auto reading = read(R"(bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: ""
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal: {bridgeInterface: "", interfaceNamePrefix: ""}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s, tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s}
logging:
  flushFrequency: 0
  options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables: {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: {enableDSR: false, forwardHealthCheckVip: false, networkName: "", rootHnsEndpointName: "", sourceVip: ""}
)");
  ASSERT_TRUE(reading.warnings);
  EXPECT_THAT(*reading.warnings, IsEmpty());
  const auto config = config_from_flags(reading.flags, "node-a").value();
  auto expected =
      config_from_flags(parse_command_line(std::vector<std::string>{"--manifests=/m",
                                                                    "--cluster-cidr=10.244.0.0/16"})
                            .value()
                            .flags,
                        "node-a")
          .value();
  EXPECT_EQ(config, expected);
}

TEST(ConfigurationFile, SetsWhatItSays) {
  const auto config = config_of(R"(mode: iptables
iptables: {masqueradeBit: 0, masqueradeAll: true, localhostNodePorts: false, syncPeriod: 1m, minSyncPeriod: 5s}
nodePortAddresses: [192.168.0.0/16, "2001:db8::/32"]
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, udpTimeout: 30s, tcpBeLiberal: true}
oomScoreAdj: 0
detectLocalMode: InterfaceNamePrefix
detectLocal: {interfaceNamePrefix: cali}
healthzBindAddress: 127.0.0.1
metricsBindAddress: "[::1]:1"
logging: {verbosity: 3}
)")
                          .value();
  EXPECT_EQ(config.masquerade_bit, 0);
  EXPECT_TRUE(config.masquerade_all);
  EXPECT_FALSE(config.localhost_node_ports);
  EXPECT_EQ(config.sync_period, 1min);
  EXPECT_EQ(config.min_sync_period, 5s);
  EXPECT_EQ(config.node_port_addresses.ranges.size(), 2U);
  EXPECT_EQ(config.conntrack.max_per_core, 0);
  EXPECT_EQ(config.conntrack.tcp_established_timeout, 0s);
  EXPECT_EQ(config.conntrack.tcp_close_wait_timeout, 1h);
  EXPECT_EQ(config.conntrack.udp_timeout, 30s);
  EXPECT_TRUE(config.conntrack.tcp_be_liberal);
  EXPECT_EQ(config.oom_score_adj, 0);
  EXPECT_EQ(config.detect_local.interface_name_prefix, "cali");
  EXPECT_EQ(config.healthz->text(), "127.0.0.1:10256");
  EXPECT_EQ(config.metrics->text(), "[::1]:1");
  EXPECT_EQ(config.verbosity, 3);
}

TEST(ConfigurationFile, CanBeJson) {
  FlagValues flags;
  EXPECT_TRUE(read_configuration(flags, "c",
                                 R"({"apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                                     "kind": "KubeProxyConfiguration", "oomScoreAdj": -5})",
                                 UnknownFields::refuse));
  EXPECT_EQ(flags.integer("oom-score-adj"), -5);
}

TEST(ConfigurationFile, OverridesFlagsOfKubeProxyAndSaysSo) {
  const auto reading = read("clusterCIDR: 10.0.0.0/8\n",
                            {"--cluster-cidr=10.1.0.0/16", "--masquerade-all", "--healthz-port=0"});
  EXPECT_EQ(reading.flags.text("cluster-cidr"), "10.0.0.0/8");
  EXPECT_FALSE(reading.flags.boolean("masquerade-all"));
  EXPECT_EQ(reading.flags.integer("healthz-port"), 10256);
  EXPECT_THAT(*reading.warnings, ElementsAre("--masquerade-all is overridden by --config",
                                             "--cluster-cidr is overridden by --config",
                                             "--healthz-port is overridden by --config"));
}

TEST(ConfigurationFile, LeavesTheLogTheNodesNameAndFlagsOfOursToTheCommandLine) {
  const auto reading = read("hostnameOverride: b\nlogging: {verbosity: 1}\n",
                            {"--hostname-override=a", "--v=4", "--dns-ttl=9", "--admin-socket=/x"});
  EXPECT_EQ(reading.flags.text("hostname-override"), "a");
  EXPECT_EQ(reading.flags.integer("v"), 4);
  EXPECT_EQ(reading.flags.integer("dns-ttl"), 9);
  EXPECT_EQ(reading.flags.text("admin-socket"), "/x");
  EXPECT_THAT(*reading.warnings, IsEmpty());
}

TEST(ConfigurationFile, WarnsOfUnknownFieldsOrRefusesThem) {
  const std::string fields = "iptables: {syncPeriods: 1s}\nnew: 1\n";
  const auto reading = read(fields);
  EXPECT_THAT(*reading.warnings, ElementsAre("c.conf: iptables.syncPeriods: unknown field, ignored",
                                             "c.conf: new: unknown field, ignored"));
  const auto strict = read(fields, {}, UnknownFields::refuse);
  ASSERT_FALSE(strict.warnings);
  EXPECT_THAT(strict.warnings.error().text(), StartsWith("c.conf: iptables.syncPeriods: unknown"));
}

TEST(ConfigurationFile, NamesWhatItDoesNotFollow) {
  const auto reading = read(
      "winkernel: {sourceVip: 10.0.0.1}\nnftables: {masqueradeBit: 3, syncPeriod: 30s}\n"
      "enableProfiling: true\n");
  EXPECT_THAT(*reading.warnings,
              ElementsAre(StartsWith("c.conf: winkernel.sourceVip has no effect: "),
                          StartsWith("c.conf: nftables.masqueradeBit has no effect: ")));
  EXPECT_THAT(warnings(reading.flags),
              Contains(StartsWith("c.conf: enableProfiling has no effect: ")));
}

TEST(ConfigurationFile, MistakesAreNamedWithFileAndField) {
  EXPECT_THAT(complaint("oomScoreAdj: many\n"),
              StartsWith("c.conf: oomScoreAdj: is not a whole number"));
  EXPECT_THAT(complaint("oomScoreAdj: 5000\n"), StartsWith("c.conf: oomScoreAdj: 5000 is not"));
  EXPECT_THAT(complaint("iptables: {syncPeriod: 3}\n"),
              StartsWith("c.conf: iptables.syncPeriod: is not a duration"));
  EXPECT_THAT(complaint("iptables: {syncPeriod: 3x}\n"),
              StartsWith("c.conf: iptables.syncPeriod:"));
  EXPECT_THAT(complaint("iptables: []\n"), StartsWith("c.conf: iptables: is not an object"));
  EXPECT_THAT(complaint("clusterCIDR: 10.0.0.0/33\n"), StartsWith("c.conf: clusterCIDR: "));
  EXPECT_THAT(complaint("mode: nftables\n"), StartsWith("c.conf: mode: nftables is not offered"));
  EXPECT_THAT(complaint("nodePortAddresses: [7]\n"), StartsWith("c.conf: nodePortAddresses: "));
  EXPECT_THAT(complaint("featureGates: {A: [1]}\n"), StartsWith("c.conf: featureGates: "));
  EXPECT_THAT(complaint("a: [\n"), StartsWith("c.conf: line "));
  EXPECT_THAT(complaint("---\n" + kHead), StartsWith("c.conf: holds 2 documents"));
}

TEST(ConfigurationFile, HasToBeAKubeProxyConfiguration) {
  FlagValues flags;
  const auto read_it = [&](const std::string& text) {
    const auto warnings = read_configuration(flags, "f", text, UnknownFields::warn);
    return warnings ? "no complaint" : warnings.error().text();
  };
  EXPECT_THAT(read_it("kind: Pod\napiVersion: v1\n"), StartsWith("f: apiVersion: is not "));
  EXPECT_THAT(read_it("[]"), HasSubstr("f: "));
  EXPECT_THAT(read_it(""), StartsWith("f: holds 0 documents"));
}

TEST(ConfigurationText, ReadAgainMeansTheSame) {
  auto reading = read(R"(mode: none
iptables: {masqueradeBit: 3, masqueradeAll: true, localhostNodePorts: false, syncPeriod: 1m}
nodePortAddresses: [192.168.0.0/16, "2001:db8::/32"]
featureGates: {SomeGate: true}
clusterCIDR: "10.0.0.0/8,fd00::/8"
logging: {vmodule: [{filePattern: "a*", verbosity: 2}], verbosity: 2}
hostnameOverride: "quo\"te"
)");
  const auto text = configuration_text(reading.flags);
  FlagValues again = parse_command_line(std::vector<std::string>{"--manifests=/m"}).value().flags;
  const auto warnings = read_configuration(again, "again", text, UnknownFields::refuse);
  ASSERT_TRUE(warnings) << warnings.error() << "\n" << text;
  EXPECT_THAT(*warnings, IsEmpty());
  for (const auto& field : configuration_fields()) {
    if (field.flag.empty() || field.type == FlagType::duration) continue;
    EXPECT_EQ(again.text(field.flag), reading.flags.text(field.flag)) << field.path;
  }
  EXPECT_EQ(config_from_flags(again, "n").value(), config_from_flags(reading.flags, "n").value());
}

TEST(EffectiveFlags, SayWhereEachValueComesFrom) {
  const auto reading = read("oomScoreAdj: 7\n", {"--dns-ttl=9"});
  const auto all = effective_flags(reading.flags);
  const auto origin = [&](std::string_view name) {
    const auto found = std::ranges::find(all, name, &EffectiveFlag::name);
    return found == all.end() ? "?" : found->value + " from " + found->origin;
  };
  EXPECT_EQ(origin("oom-score-adj"), "7 from c.conf: oomScoreAdj");
  EXPECT_EQ(origin("dns-ttl"), "9 from command line");
  EXPECT_EQ(origin("cluster-domain"), "cluster.local from default");
}

TEST(Configz, IsJsonWithEveryFieldAndOurOwnFlags) {
  const auto reading = read("clusterCIDR: 10.180.0.0/16\nconntrack: {min: 7}\n");
  const auto root = YAML::Load(configz_text(reading.flags));
  const auto fields = root["kubeproxy.config.k8s.io"];
  EXPECT_EQ(fields["kind"].as<std::string>(), "KubeProxyConfiguration");
  EXPECT_EQ(fields["clusterCIDR"].as<std::string>(), "10.180.0.0/16");
  EXPECT_EQ(fields["conntrack"]["min"].as<int>(), 7);
  EXPECT_EQ(root["viaduct"]["manifests"].as<std::string>(), "/m");
  EXPECT_FALSE(root["viaduct"]["cluster-cidr"]) << "it is a field";
}

}  // namespace
}  // namespace proxy::config
