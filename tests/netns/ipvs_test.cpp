// The ipvs mode on a real kernel: what it makes there, and what it leaves alone.
#include "tests/netns/ipvs_lab.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <regex>

namespace netns {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// ── the cases of tests/conformance/ipvs.yaml ────────────────────────────────────────────────────

std::string shown(const YAML::Node& ip) {
  return proxy::parse_ip(ip.as<std::string>())->text();
}
std::string at(const YAML::Node& ip, const YAML::Node& port) {
  const auto text = shown(ip);
  const bool v6 = text.find(':') != std::string::npos;
  return (v6 ? "[" + text + "]" : text) + ":" + port.as<std::string>();
}

std::set<std::string> expected_servers(const YAML::Node& all) {
  std::set<std::string> out;
  for (const auto& one : all) {
    const auto protocol = one["protocol"].as<std::string>();
    const auto option = protocol == "TCP"   ? " -t "
                        : protocol == "UDP" ? " -u "
                                            : " --sctp-service ";
    const auto vip = option + at(one["address"], one["port"]);
    auto line = "-A" + vip + " -s " + one["scheduler"].as<std::string>();
    if (one["persistenceTimeout"]) line += " -p " + one["persistenceTimeout"].as<std::string>();
    out.insert(line);
    for (const auto& real_server : one["realServers"]) {
      out.insert("-a" + vip + " -r " + at(real_server["address"], real_server["port"]) + " -m -w " +
                 real_server["weight"].as<std::string>());
    }
  }
  return out;
}

std::set<std::string> expected_addresses(const YAML::Node& all) {
  std::set<std::string> out;
  for (const auto& ip : all) {
    const auto text = shown(ip);
    out.insert(text + (text.find(':') == std::string::npos ? "/32" : "/128"));
  }
  return out;
}

class IpvsConformance : public IpvsLab {
 public:
  explicit IpvsConformance(YAML::Node item) : item_{std::move(item)} {}

  void TestBody() override {
    auto settings = usual_settings();
    settings.node_port_addresses.emplace();
    for (const auto& range : item_["nodePortAddresses"]) {
      settings.node_port_addresses->push_back(range.as<std::string>());
    }
    make(settings, {"--ipvs-scheduler=" + item_["scheduler"].as<std::string>()});
    lab_->apply(item_["objects"]);
    lab_->start();
    expect(item_["expect"]);
    for (const auto& step : item_["steps"]) {
      SCOPED_TRACE(step["name"].as<std::string>());
      for (const auto& gone : step["delete"]) {
        lab_->remove({gone["kind"].as<std::string>(), gone["namespace"].as<std::string>(),
                      gone["name"].as<std::string>()});
      }
      if (step["apply"]) lab_->apply(step["apply"]);
      expect(step["expect"]);
    }
  }

 private:
  void expect(const YAML::Node& expected) {
    lab_->settle();
    EXPECT_EQ(servers(), expected_servers(expected["virtualServers"])) << said();
    EXPECT_EQ(vip_addresses(lab_->node()), expected_addresses(expected["kubeIpvs0"])) << said();
  }
  YAML::Node item_;
};

// ── what it makes, and leaves alone ─────────────────────────────────────────────────────────────

using Ipvs = IpvsLab;

TEST_F(Ipvs, TheKernelIsSetUpAsKubeProxyDoes) {
  start_web({"--ipvs-strict-arp", "--ipvs-tcp-timeout=1000s", "--ipvs-udp-timeout=100s"});
  EXPECT_EQ(sh("cd /proc/sys/net/ipv4; cat vs/conntrack vs/conn_reuse_mode vs/expire_nodest_conn "
               "vs/expire_quiescent_template ip_forward conf/all/arp_ignore conf/all/arp_announce"),
            "1\n1\n1\n1\n1\n1\n2\n");
  EXPECT_THAT(sh("ipvsadm -L --timeout"), HasSubstr("1000 120 100"));
}

TEST_F(Ipvs, ASocketOfTheNodeDoesNotAnswerAtAVip) {
  start_web();
  // sshd, say, which listens at every address.
  ASSERT_TRUE(lab_->responder().serve(
      lab_->node(), {proxy::IpAddress::any(proxy::Family::v4), Port{22}}, Protocol::tcp));
  for (const auto* from : {"10.180.0.100", "203.0.113.2", "192.168.0.2"}) {
    EXPECT_EQ(lab_->wrong(std::string{"from: "} + from +
                          ", to: 172.30.0.41, port: 22, protocol: TCP, expect: REJECT"),
              "");
  }
}

TEST_F(Ipvs, ARPIsNotAnsweredForAClusterIp) {
  start_web();
  // The node's own address is answered for on the same network.
  EXPECT_THAT(sh("nft list table arp viaduct-ipvs"), HasSubstr("172.30.0.41"));
}

TEST_F(Ipvs, AServiceChoosesItsSchedulerWhileItRuns) {
  start_web();
  apply_web("", "{viaduct.io/ipvs-scheduler: 'mh,mh-port'}");
  lab_->settle();
  EXPECT_TRUE(has("-A -t 172.30.0.41:80 -s mh -b mh-port")) << said();
  apply_web("", "{viaduct.io/ipvs-scheduler: fastest}");
  lab_->settle();
  EXPECT_TRUE(has(kWebServer));
  EXPECT_THAT(said(), HasSubstr("\"fastest\" is no IPVS scheduler"));
}

TEST_F(Ipvs, ExplainNamesTheVirtualServer) {
  start_web();
  const auto told =
      run_viaduct(lab_->node(), {"explain", "172.30.0.41:80/tcp", "--from", "10.180.0.100"});
  EXPECT_EQ(told.status, 0);
  EXPECT_THAT(told.output, HasSubstr("virtual server 172.30.0.41:80/TCP"));
}

TEST_F(Ipvs, MetricsTellWhatEachEndpointCarriedUntilTheLastLookAtTheKernel) {
  start_web();
  // The kernel adds up what its processors counted every two seconds.
  ASSERT_TRUE(comes_true([&] {
    return std::regex_search(sh("ipvsadm -Ln --stats"), std::regex{"172.30.0.41:80 +[1-9]"});
  }));
  sh("ip addr add 192.168.77.7/32 dev lo");  // another address: all of it is looked at
  ASSERT_TRUE(comes_true([&] { return has("-A -t 192.168.77.7:30001 -s rr"); })) << said();
  const auto metrics = sh("curl -fsS http://127.0.0.1:10249/metrics");
  for (const std::string figure : {"service_connections", "endpoint_connections",
                                   "endpoint_incoming_bytes", "endpoint_outgoing_packets"}) {
    std::smatch value;
    ASSERT_TRUE(std::regex_search(
        metrics, value,
        std::regex{"viaduct_ipvs_" + figure + "_total\\{[^}]*service=\"web\"[^}]*\\} ([0-9]+)"}))
        << figure << " of " << metrics;
    EXPECT_GT(std::stol(value[1].str()), 0) << value.str();
  }
}

TEST_F(Ipvs, MetricsHaveTheNamesOfKubeProxy) {
  start_web();
  const auto metrics = sh("curl -fsS http://127.0.0.1:10249/metrics");
  for (const std::string name :
       {"sync_proxy_rules_duration_seconds_count", "sync_full_proxy_rules_duration_seconds_count",
        "sync_proxy_rules_last_timestamp_seconds", "sync_proxy_rules_last_queued_timestamp_seconds",
        "sync_proxy_rules_service_changes_total", "sync_proxy_rules_endpoint_changes_total",
        "network_programming_duration_seconds_count"}) {
    EXPECT_TRUE(std::regex_search(metrics, std::regex{"\nkubeproxy_" + name + "[ {]"})) << name;
  }
  for (const std::string name :
       {"sync_proxy_rules_no_local_endpoints_total\\{[^}]*traffic_policy=\"internal\"[^}]*\\}"}) {
    EXPECT_TRUE(std::regex_search(metrics, std::regex{"\nkubeproxy_" + name})) << metrics;
  }
  EXPECT_THAT(metrics, HasSubstr("\nviaduct_ipvs_virtual_servers "));
}

TEST_F(Ipvs, AnUnknownSchedulerOnTheCommandLineIsOneClearError) {
  make();
  const auto ended = run_viaduct(lab_->node(), {"run", "--manifests", "/run/viaduct-lab/manifests",
                                                "--proxy-mode=ipvs", "--ipvs-scheduler=fastest"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.output, HasSubstr("--ipvs-scheduler: \"fastest\" is no IPVS scheduler"));
}

TEST_F(Ipvs, ANodePortIsServedAtAnAddressThatComesLater) {
  start_web();
  sh("ip addr add 192.168.77.7/32 dev lo");
  EXPECT_TRUE(comes_true([&] { return has("-A -t 192.168.77.7:30001 -s rr"); })) << said();
  sh("ip addr del 192.168.77.7/32 dev lo");
  EXPECT_TRUE(comes_true([&] { return !has("-A -t 192.168.77.7:30001 -s rr"); })) << said();
}

TEST_F(Ipvs, AtItsFirstStartOthersVirtualServersGoUnlessExcluded) {
  make(usual_settings(), {"--ipvs-exclude-cidrs=198.51.100.64/26,198.51.100.128/26"});
  sh("for server in 198.51.100.65:55 198.51.100.130:56 198.51.100.5:57 172.30.0.6:58; do "
     "ipvsadm -A -u $server -s rr; done; ipvsadm -A -f 7 -s rr");
  apply_web();
  lab_->start();
  lab_->settle();
  const auto now = servers();
  EXPECT_THAT(now, Contains("-A -u 198.51.100.65:55 -s rr"));
  EXPECT_THAT(now, Contains("-A -u 198.51.100.130:56 -s rr"));
  EXPECT_THAT(now, Contains("-A -f 7 -s rr"));
  EXPECT_THAT(now, Not(Contains("-A -u 198.51.100.5:57 -s rr")));
  EXPECT_THAT(now, Not(Contains("-A -u 172.30.0.6:58 -s rr")));
}

TEST_F(Ipvs, FromThenOnOthersVirtualServersAreLeftAloneAlsoAfterAKill) {
  start_web();
  sh("ipvsadm -A -t 198.51.100.5:57 -s wlc");
  apply_endpoints({"10.180.0.1"});
  lab_->settle();
  lab_->daemon().stop(SIGKILL);
  lab_->remove({"Service", "ns1", "web"});
  lab_->start();
  lab_->settle();
  EXPECT_EQ(servers(), std::set<std::string>{"-A -t 198.51.100.5:57 -s wlc"}) << said();
}

}  // namespace

void register_conformance() {
  const auto file = YAML::LoadFile(VIADUCT_CONFORMANCE "/ipvs.yaml");
  for (const auto& item : file["cases"]) {
    auto name = item["name"].as<std::string>();
    std::ranges::replace(name, '-', '_');
    testing::RegisterTest(
        "IpvsConformance", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
        [item = YAML::Clone(item)]() -> IpvsLab* { return new IpvsConformance{item}; });
  }
}

}  // namespace netns

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  netns::register_conformance();
  if (!testing::GTEST_FLAG(list_tests) && netns::why_no_namespaces().empty()) {
    netns::take_private_run();
  }
  return RUN_ALL_TESTS();
}
