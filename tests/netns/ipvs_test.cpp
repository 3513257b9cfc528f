// The ipvs mode on a real kernel: what it makes there, what it leaves alone, and what it mends.
#include "tests/netns/ipvs_lab.hpp"

#include <gmock/gmock.h>

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>

namespace netns {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kServer = "-A -t 172.30.0.41:80 -s rr";
std::string real(const std::string& ip, int weight = 1) {
  return "-a -t 172.30.0.41:80 -r " + ip + ":80 -m -w " + std::to_string(weight);
}

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

class Ipvs : public IpvsLab {
 protected:
  void start_web(std::vector<std::string> flags = {}) {
    make(usual_settings(), std::move(flags));
    apply_web();
    apply_endpoints({"10.180.0.1", "10.180.1.1"});
    lab_->start();
    lab_->settle();
    ASSERT_EQ(lab_->wrong(kPodToWeb), "") << said();
  }
  void expect_nothing_left() {
    EXPECT_THAT(run(lab_->node().net, {"ipvsadm", "-Sn"}).output, IsEmpty());
    EXPECT_NE(run(lab_->node().net, {"ip", "link", "show", "kube-ipvs0"}).status, 0);
    EXPECT_THAT(sh("nft list tables"), Not(HasSubstr("viaduct-ipvs")));
  }
};

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
  EXPECT_TRUE(has(kServer));
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

// ── what it mends ───────────────────────────────────────────────────────────────────────────────

TEST_F(Ipvs, VirtualServersThatAnotherToolDeletesComeBackWithTheNextChange) {
  start_web();
  sh("ipvsadm -C");
  apply_endpoints({"10.180.0.1", "10.180.1.1", "10.180.0.2"});
  lab_->settle();
  EXPECT_TRUE(has(kServer) && has(real("10.180.1.1")) && has(real("10.180.0.2"))) << said();
  EXPECT_TRUE(has("-A -t 192.168.0.2:30001 -s rr")) << said();
}

TEST_F(Ipvs, TheLinkOfTheVipsThatAnotherToolDeletesComesBack) {
  start_web();
  sh("ip link del kube-ipvs0");
  EXPECT_TRUE(comes_true([&] { return vip_addresses(lab_->node()).contains("172.30.0.41/32"); }))
      << said();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
}

TEST_F(Ipvs, TheGuardThatAnotherToolDeletesComesBack) {
  start_web();
  sh("nft flush ruleset");
  EXPECT_TRUE(comes_true([&] {
    return sh("nft list table ip viaduct-ipvs || true").find("172.30.0.41") != std::string::npos;
  })) << said();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
}

TEST_F(Ipvs, AKillInTheMiddleOfASyncIsMendedByTheNextStart) {
  start_web();
  // Half of what a change does: a real server of ours gone, one of nobody's there, an address
  // without a virtual server, a weight that was to be temporary.
  lab_->daemon().stop(SIGKILL);
  sh("ipvsadm -e -t 172.30.0.41:80 -r 10.180.0.1:80 -m -w 0; "
     "ipvsadm -d -t 172.30.0.41:80 -r 10.180.1.1:80; "
     "ipvsadm -a -t 172.30.0.41:80 -r 10.180.2.9:80 -m; "
     "ip addr add 172.30.0.99/32 dev kube-ipvs0");
  lab_->start();
  lab_->settle();
  EXPECT_TRUE(has(real("10.180.0.1")) && has(real("10.180.1.1"))) << said();
  EXPECT_FALSE(has(real("10.180.2.9")));
  EXPECT_THAT(vip_addresses(lab_->node()), Not(Contains("172.30.0.99/32")));
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
}

TEST_F(Ipvs, ADaemonKilledAtAnyMomentOfItsStartIsFollowedByOneThatGetsEverythingRight) {
  make();
  apply_web(", externalIPs: [192.168.99.22]");
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  for (int i = 0; i < 3; ++i) {
    lab_->start();
    lab_->daemon().stop(SIGKILL);
  }
  lab_->start();
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << said();
}

TEST_F(Ipvs, AnEndpointWithAnOpenConnectionDrains) {
  start_web();
  auto& client = lab_->topology().owner(address("10.180.0.100"));
  apply_endpoints({"10.180.0.1"});
  lab_->settle();
  Process open{client.net,
               {"python3", "-c",
                "import socket, sys\n"
                "s = socket.create_connection(('172.30.0.41', 80))\n"
                "print('open', flush=True)\nsys.stdin.read()\nimport time\n"
                "while True: time.sleep(1)\n"}};
  ASSERT_TRUE(comes_true([&] { return open.output().find("open") != std::string::npos; }));
  apply_endpoints({"10.180.1.1"});
  lab_->settle();
  EXPECT_TRUE(has(real("10.180.0.1", 0))) << said();
  EXPECT_TRUE(has(real("10.180.1.1")));
  // It is wanted again, and then after a restart not remembered as one that leaves.
  lab_->daemon().stop(SIGKILL);
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  lab_->start();
  lab_->settle();
  EXPECT_TRUE(has(real("10.180.0.1")));
}

// ── coming and going ────────────────────────────────────────────────────────────────────────────

TEST_F(Ipvs, CleanupLeavesNothing) {
  start_web();
  lab_->daemon().stop(SIGTERM);
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << "what is in force stays when the daemon ends";
  EXPECT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0);
  expect_nothing_left();
  EXPECT_THAT(sh("iptables-save; ip6tables-save"), Not(HasSubstr("KUBE-")));
}

TEST_F(Ipvs, FromIptablesAndBackNothingOfTheOtherModeStays) {
  make();
  lab_->set_mode("iptables");
  apply_web();
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  lab_->start();
  lab_->settle();
  ASSERT_EQ(lab_->wrong(kPodToWeb), "");
  const auto rules = lab_->saved_rules(proxy::Family::v4);
  lab_->daemon().stop(SIGTERM);

  lab_->set_mode("ipvs");
  lab_->start();
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << said();
  EXPECT_TRUE(has(kServer));
  EXPECT_THAT(sh("iptables-save; ip6tables-save"), Not(HasSubstr("KUBE-SVC")));
  EXPECT_THAT(sh("iptables-save; ip6tables-save"), Not(HasSubstr("KUBE-SERVICES")));
  lab_->daemon().stop(SIGTERM);

  lab_->set_mode("iptables");
  lab_->start();
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << said();
  expect_nothing_left();
  EXPECT_EQ(lab_->saved_rules(proxy::Family::v4), rules);
}

// ── the module ──────────────────────────────────────────────────────────────────────────────────

// The module belongs to the whole machine: nobody else may use it meanwhile.
constexpr const char* kUnload =
    "ipvsadm -C; rmmod $(lsmod | awk '/^ip_vs_/ {print $1}'); rmmod ip_vs";

// As long as it lives the kernel finds no module for IPVS, and all others.
class WithoutIpvsModule {
 public:
  WithoutIpvsModule() {
    std::ifstream{kSetting} >> usual_;
    std::ofstream{script_} << "#!/bin/sh\ncase \"$*\" in *IPVS*) exit 1 ;; esac\nexec " << usual_
                           << " \"$@\"\n";
    std::filesystem::permissions(script_, std::filesystem::perms::owner_all);
    std::ofstream{kSetting} << script_.string();
  }
  WithoutIpvsModule(const WithoutIpvsModule&) = delete;
  WithoutIpvsModule& operator=(const WithoutIpvsModule&) = delete;
  ~WithoutIpvsModule() {
    std::ofstream{kSetting} << usual_;
    std::filesystem::remove(script_);
  }

 private:
  static constexpr const char* kSetting = "/proc/sys/kernel/modprobe";
  std::string usual_;
  std::filesystem::path script_ = std::filesystem::temp_directory_path() /
                                  ("viaduct-test-modprobe-" + std::to_string(::getpid()));
};

// IPVS tells nobody of its end: the next change or periodic look finds it, and loads it again.
TEST_F(Ipvs, TheModuleMayBeUnloadedUnderIt) {
  start_web();
  sh(kUnload);
  apply_endpoints({"10.180.0.1", "10.180.1.1", "10.180.0.2"});
  lab_->settle();
  EXPECT_TRUE(has(kServer) && has(real("10.180.1.1")) && has(real("10.180.0.2"))) << said();
  EXPECT_EQ(sh("cat /proc/sys/net/ipv4/vs/conntrack"), "1\n");
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << said();
}

TEST_F(Ipvs, AMissingModuleIsNamedAndAnotherModeMayTakeOver) {
  make();
  apply_web();
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  sh(kUnload);
  const WithoutIpvsModule without;
  const auto ended = run_viaduct(lab_->node(), {"run", "--manifests", "/run/viaduct-lab/manifests",
                                                "--proxy-mode=ipvs", "--hostname-override=node-a"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.output, HasSubstr("its module ip_vs is not there"));
  lab_->set_flags({"--proxy-mode-fallback=iptables"});
  lab_->start();
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << said();
  EXPECT_THAT(said(), HasSubstr("forwarding by iptables instead"));
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
