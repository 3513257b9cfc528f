// What the ipvs mode mends: what other tools did, what a kill left, what the kernel forgot.
#include "tests/netns/ipvs_lab.hpp"

#include <gmock/gmock.h>

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace netns {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using IpvsRepair = IpvsLab;

// ── what other tools do ─────────────────────────────────────────────────────────────────────────

TEST_F(IpvsRepair, VirtualServersThatAnotherToolDeletesComeBackWithTheNextChange) {
  start_web();
  sh("ipvsadm -C");
  apply_endpoints({"10.180.0.1", "10.180.1.1", "10.180.0.2"});
  lab_->settle();
  EXPECT_TRUE(has(kWebServer) && has(web_real("10.180.1.1")) && has(web_real("10.180.0.2")))
      << said();
  EXPECT_TRUE(has("-A -t 192.168.0.2:30001 -s rr")) << said();
}

TEST_F(IpvsRepair, TheLinkOfTheVipsThatAnotherToolDeletesComesBack) {
  start_web();
  sh("ip link del kube-ipvs0");
  EXPECT_TRUE(comes_true([&] { return vip_addresses(lab_->node()).contains("172.30.0.41/32"); }))
      << said();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
}

TEST_F(IpvsRepair, TheGuardThatAnotherToolDeletesComesBack) {
  start_web();
  sh("nft flush ruleset");
  EXPECT_TRUE(comes_true([&] {
    return sh("nft list table ip viaduct-ipvs || true").find("172.30.0.41") != std::string::npos;
  })) << said();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
}

// IPVS tells nobody of a change.
TEST_F(IpvsRepair, ThePeriodicLookMendsWhatNobodyTellsOf) {
  start_web();
  sh("ipvsadm -E -t 172.30.0.41:80 -s wlc; ipvsadm -d -t 172.30.0.41:80 -r 10.180.1.1:80; "
     "ipvsadm -a -t 172.30.0.41:80 -r 10.180.2.9:80 -m; "
     "ipvsadm -e -t 172.30.0.41:80 -r 10.180.0.1:80 -m -w 3");
  EXPECT_TRUE(comes_true(
      [&] {
        const auto now = servers();
        return now.contains(kWebServer) && now.contains(web_real("10.180.1.1")) &&
               !now.contains(web_real("10.180.2.9"));
      },
      std::chrono::seconds{20}))
      << said();
  // A weight that somebody sets while it runs stays, until the next start.
  EXPECT_TRUE(has(web_real("10.180.0.1", 3))) << said();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
  lab_->daemon().stop(SIGTERM);
  lab_->start();
  EXPECT_TRUE(has(web_real("10.180.0.1"))) << said();
}

// How many notifications of links and addresses the kernel had to throw away.
long dropped_by_rtnetlink(const Process& process) {
  std::ifstream table{"/proc/" + std::to_string(process.pid()) + "/net/netlink"};
  long sum = 0;
  std::string line;
  std::getline(table, line);  // the heading
  while (std::getline(table, line)) {
    std::istringstream fields{line};
    std::string socket, protocol, port, groups, received, sent, dump, locks, drops;
    fields >> socket >> protocol >> port >> groups >> received >> sent >> dump >> locks >> drops;
    if (protocol == "0") sum += std::stol(drops);  // NETLINK_ROUTE
  }
  return sum;
}

TEST_F(IpvsRepair, WhatItMissedWhenNotificationsWereLostIsMended) {
  start_web();
  std::string burst;
  for (int i = 0; i < 2'000; ++i) {
    const auto ip = "192.168.77." + std::to_string(i % 200 + 1) + "/32 dev lo\n";
    burst += "addr add " + ip + "addr del " + ip;
  }
  auto& daemon = lab_->daemon().process();
  daemon.signal(SIGSTOP);
  const auto drops = dropped_by_rtnetlink(daemon);
  for (int round = 0; round < 20 && dropped_by_rtnetlink(daemon) == drops; ++round) {
    run_or_fail(lab_->node().net, {"ip", "-batch", "-"}, burst);
  }
  EXPECT_GT(dropped_by_rtnetlink(daemon), drops);
  // Nobody hears of this.
  sh("ip addr del 172.30.0.41/32 dev kube-ipvs0; ip addr add 192.168.78.7/32 dev lo");
  daemon.signal(SIGCONT);
  EXPECT_TRUE(comes_true([&] {
    return vip_addresses(lab_->node()).contains("172.30.0.41/32") &&
           has("-A -t 192.168.78.7:30001 -s rr");
  })) << said();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
}

// ── what a kill leaves ──────────────────────────────────────────────────────────────────────────

TEST_F(IpvsRepair, AKillInTheMiddleOfASyncIsMendedByTheNextStart) {
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
  EXPECT_TRUE(has(web_real("10.180.0.1")) && has(web_real("10.180.1.1"))) << said();
  EXPECT_FALSE(has(web_real("10.180.2.9")));
  EXPECT_THAT(vip_addresses(lab_->node()), Not(Contains("172.30.0.99/32")));
  EXPECT_EQ(lab_->wrong(kPodToWeb), "");
}

TEST_F(IpvsRepair, ADaemonKilledAtAnyMomentOfItsStartIsFollowedByOneThatGetsEverythingRight) {
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

class IpvsFirstSync : public IpvsLab {
 protected:
  static constexpr int kServices = 300, kEndpoints = 10;
  static std::string vip(int service) {
    return "172.30." + std::to_string(100 + service / 200) + "." +
           std::to_string(service % 200 + 1);
  }
  static std::string endpoint(int service, int number) {
    return "10.180." + std::to_string(10 + service % 100) + "." + std::to_string(number + 1);
  }

  // All in one file: for so many the first sync takes some thousand messages, in a few datagrams.
  void apply_many() {
    std::string items;
    for (int i = 0; i < kServices; ++i) {
      const auto name = "many-" + std::to_string(i);
      items += std::string{i == 0 ? "" : ","} +
               R"({"apiVersion":"v1","kind":"Service","metadata":{"namespace":"ns1","name":")" +
               name + R"("},"spec":{"clusterIP":")" + vip(i) + R"(","clusterIPs":[")" + vip(i) +
               R"("],"ports":[{"port":80,"protocol":"TCP"}]}},{"apiVersion":)"
               R"("discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"namespace":"ns1",)"
               R"("name":")" +
               name + R"(","labels":{"kubernetes.io/service-name":")" + name +
               R"("}},"addressType":"IPv4","ports":[{"name":"","port":80,"protocol":"TCP"}],)"
               R"("endpoints":[)";
      for (int j = 0; j < kEndpoints; ++j) {
        items += std::string{j == 0 ? "" : ","} + R"({"addresses":[")" + endpoint(i, j) + R"("]})";
      }
      items += "]}";
    }
    lab_->cluster().apply({.key = {.kind = "List", .name_space = "", .name = "many"},
                           .json = R"({"apiVersion":"v1","kind":"List","items":[)" + items + "]}"});
  }
  static std::set<std::string> all_servers() {
    std::set<std::string> out;
    for (int i = 0; i < kServices; ++i) {
      out.insert("-A -t " + vip(i) + ":80 -s rr");
      for (int j = 0; j < kEndpoints; ++j) {
        out.insert("-a -t " + vip(i) + ":80 -r " + endpoint(i, j) + ":80 -m -w 1");
      }
    }
    return out;
  }
  // Cheaper than ipvsadm: it is asked again and again.
  bool has_any_vip_of_ours() {
    const Inside node{lab_->node().net};
    std::ifstream table{"/proc/thread-self/net/ip_vs"};
    for (std::string line; std::getline(table, line);) {
      if (line.starts_with("TCP  AC1E6")) return true;  // 172.30.96.0/20
    }
    return false;
  }
};

TEST_F(IpvsFirstSync, ADaemonKilledInTheMiddleOfItIsFollowedByOneThatEndsExactlyWhereItShould) {
  const std::string exclude = "--ipvs-exclude-cidrs=198.51.100.0/24";
  make(usual_settings(), {exclude});
  apply_many();
  const std::set<std::string> of_others{"-A -f 7 -s rr", "-A -t 198.51.100.5:57 -s wlc",
                                        "-a -t 198.51.100.5:57 -r 198.51.100.6:57 -m -w 7"};
  sh("ipvsadm -A -f 7 -s rr; ipvsadm -A -t 198.51.100.5:57 -s wlc; "
     "ipvsadm -a -t 198.51.100.5:57 -r 198.51.100.6:57 -m -w 7; "
     "ip addr add 192.168.77.7/32 dev lo; nft add table ip theirs");
  auto flags = flags_for(usual_settings(), "ipvs");
  flags.push_back(exclude);
  Daemon first{lab_->node(), lab_->cluster(), flags};
  ASSERT_TRUE(comes_true([&] { return has_any_vip_of_ours(); })) << first.process().output();
  first.stop(SIGKILL);
  auto expected = all_servers();
  expected.insert(of_others.begin(), of_others.end());
  const auto half = servers();
  ASSERT_LT(half.size(), expected.size()) << "it was too quick for this test";
  // A weight that a drain would have left, on one that is there.
  const auto there = std::ranges::find_if(half, [](const auto& line) {
    return line.starts_with("-a -t 172.30.") && line.ends_with("-w 1");
  });
  ASSERT_NE(there, half.end());
  sh("ipvsadm -e" + there->substr(2, there->size() - 3) + "0");
  lab_->start();
  lab_->settle();
  EXPECT_EQ(servers(), expected) << said();
  const auto vips = vip_addresses(lab_->node());
  EXPECT_EQ(vips.size(), kServices);
  EXPECT_TRUE(vips.contains(vip(kServices - 1) + "/32"));
  EXPECT_THAT(sh("ip -o addr show dev lo"), HasSubstr("192.168.77.7/32"));
  EXPECT_THAT(sh("nft list tables"), HasSubstr("table ip theirs"));
}

// ── endpoints that leave ────────────────────────────────────────────────────────────────────────

// A pod with a connection to web, which ends it with a reset when it is killed: IPVS remembers that
// for ten seconds, and a connection in good order for two minutes.
class IpvsDrain : public IpvsLab {
 protected:
  void start_with_connection(std::vector<std::string> flags = {}) {
    start_web(std::move(flags));
    apply_endpoints({"10.180.0.1"});
    lab_->settle();
    connection_.emplace(
        lab_->topology().owner(address("10.180.0.100")).net,
        std::vector<std::string>{"python3", "-c",
                                 "import signal, socket, struct\n"
                                 "s = socket.create_connection(('172.30.0.41', 80))\n"
                                 "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, "
                                 "struct.pack('ii', 1, 0))\n"
                                 "print('open', flush=True)\nsignal.pause()\n"});
    ASSERT_TRUE(
        comes_true([&] { return connection_->output().find("open") != std::string::npos; }));
    apply_endpoints({"10.180.1.1"});
    lab_->settle();
    EXPECT_TRUE(has(web_real("10.180.0.1", 0))) << said();
    EXPECT_TRUE(has(web_real("10.180.1.1")));
  }
  // Looked at every ten seconds.
  bool goes() {
    return comes_true([&] { return !has(web_real("10.180.0.1", 0)); }, std::chrono::seconds{30});
  }

  std::optional<Process> connection_;
};

TEST_F(IpvsDrain, AnEndpointGoesWhenItsLastConnectionHasEnded) {
  start_with_connection();
  connection_->signal(SIGKILL);
  EXPECT_TRUE(goes()) << said();
  EXPECT_FALSE(has(web_real("10.180.0.1")));
  EXPECT_TRUE(has(web_real("10.180.1.1")));
}

TEST_F(IpvsDrain, AnEndpointGoesWithOpenConnectionsWhenItsTimeIsUp) {
  start_with_connection({"--ipvs-drain-limit=1s"});
  EXPECT_TRUE(goes()) << said();
  EXPECT_EQ(connection_->wait(std::chrono::milliseconds{0}), std::nullopt) << "it was open";
}

TEST_F(IpvsDrain, AnEndpointThatIsWantedAgainIsNotRememberedAsOneThatLeaves) {
  start_with_connection();
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  lab_->settle();
  EXPECT_TRUE(has(web_real("10.180.0.1"))) << said();
  apply_endpoints({"10.180.1.1"});
  lab_->settle();
  EXPECT_TRUE(has(web_real("10.180.0.1", 0))) << said();
  // And not after a restart.
  lab_->daemon().stop(SIGKILL);
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  lab_->start();
  lab_->settle();
  EXPECT_TRUE(has(web_real("10.180.0.1"))) << said();
}

// ── the module ──────────────────────────────────────────────────────────────────────────────────

// The module belongs to the whole machine: nobody else may use it meanwhile, and labs of tests
// before this one take a moment to go.
class IpvsModule : public IpvsLab {
 protected:
  void unload() {
    Finished last;
    EXPECT_TRUE(comes_true([&] {
      last = run(lab_->node().net,
                 {"sh", "-c", "ipvsadm -C; rmmod $(lsmod | awk '/^ip_vs/ {print $1}' | sort -r)"});
      return last.status == 0;
    })) << last.output;
  }
};

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
TEST_F(IpvsModule, TheModuleMayBeUnloadedUnderIt) {
  start_web();
  unload();
  apply_endpoints({"10.180.0.1", "10.180.1.1", "10.180.0.2"});
  lab_->settle();
  EXPECT_TRUE(has(kWebServer) && has(web_real("10.180.1.1")) && has(web_real("10.180.0.2")))
      << said();
  EXPECT_EQ(sh("cat /proc/sys/net/ipv4/vs/conntrack"), "1\n");
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << said();
}

TEST_F(IpvsModule, AMissingModuleIsNamedAndAnotherModeMayTakeOver) {
  make();
  apply_web();
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  unload();
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
}  // namespace netns
