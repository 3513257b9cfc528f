// Coming to a node where kube-proxy or another mode has been, and leaving it to another mode, with
// clients connecting all the while.
#include "tests/netns/ipvs_lab.hpp"
#include "tests/netns/kube_proxy_dump.hpp"
#include "tests/netns/restless_client.hpp"
#include "tests/netns/web_lab.hpp"

#include <gmock/gmock.h>

#include <array>
#include <csignal>
#include <fstream>
#include <sstream>

namespace netns {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class IpvsComing : public IpvsLab {
 protected:
  void expect_all_flows() {
    for (const auto& flow : kWebFlows) EXPECT_EQ(lab_->wrong(flow), "");
  }
  std::string all_rules() { return sh("iptables-save; ip6tables-save"); }
};

// ── from kube-proxy ─────────────────────────────────────────────────────────────────────────────

std::string dump(const std::string& file) {
  std::ifstream in{std::string{VIADUCT_TESTDATA "/kube_proxy_ipvs/"} + file};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class IpvsFromKubeProxy : public IpvsComing {
 protected:
  void prepare() {
    make();
    lab_->apply(kWebService);
  }
  // As kube-proxy's ipvs mode left a node: virtual servers, one of a service that is gone and one
  // real server that was draining, their addresses, ipsets and the chains that look into them.
  void restore_ipvs_mode() {
    sh("ipvsadm -Ln >/dev/null; echo 1 >/proc/sys/net/ipv4/vs/conntrack");  // the first loads it
    const auto feed = [&](const std::vector<std::string>& program, const char* file) {
      run_or_fail(lab_->node().net, program, dump(file));
    };
    feed({"ipset", "restore"}, "ipset");
    feed({"iptables-restore"}, "iptables");
    feed({"ip6tables-restore"}, "ip6tables");
    feed({"ipvsadm", "-R"}, "ipvsadm");
    sh("ip link add kube-ipvs0 type dummy");
    std::istringstream addresses{dump("addresses")};
    for (std::string one; addresses >> one;) sh("ip addr add " + one + " dev kube-ipvs0");
  }
  void restore_iptables_mode() {
    for (const auto family : proxy::kFamilies) {
      run_or_fail(lab_->node().net,
                  {family == Family::v4 ? "iptables-restore" : "ip6tables-restore"},
                  kube_proxy_dump(family));
    }
  }
  void take_over() {
    expect_all_flows();  // it is what kube-proxy would have there
    RestlessClients clients{lab_->topology()};
    lab_->start();
    lab_->settle();
    clients.go_on();
    clients.expect_that_nobody_noticed();
    expect_all_flows();
  }
  // What stays is a stranger's, or shared with a kubelet.
  void expect_only_ours() {
    EXPECT_THAT(all_rules(),
                AllOf(Not(HasSubstr("--match-set")), Not(HasSubstr("KUBE-SVC")),
                      Not(HasSubstr("KUBE-SERVICES")), Not(HasSubstr("KUBE-POSTROUTING")),
                      Not(HasSubstr("KUBE-IPVS")), Not(HasSubstr("KUBE-NODE-PORT")),
                      HasSubstr("KUBE-MARK-MASQ"), HasSubstr(kForeignComment)));
    const auto taken_over = servers();
    const auto vips = vip_addresses(lab_->node());
    lab_->daemon().stop(SIGTERM);
    EXPECT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0);
    expect_nothing_left();
    lab_->start();
    lab_->settle();
    EXPECT_EQ(taken_over, servers()) << "as on a node where nobody was before";
    EXPECT_EQ(vips, vip_addresses(lab_->node()));
  }
};

TEST_F(IpvsFromKubeProxy, OfTheIpvsModeNobodyNoticesAndNothingOfItStays) {
  prepare();
  restore_ipvs_mode();
  take_over();
  EXPECT_TRUE(comes_true([&] { return !has(web_real("10.180.0.9", 0)); }, std::chrono::seconds{30}))
      << "the one that was draining goes with the next look";
  expect_only_ours();
}

TEST_F(IpvsFromKubeProxy, OfTheIptablesModeNobodyNoticesAndNothingOfItStays) {
  prepare();
  restore_iptables_mode();
  take_over();
  expect_only_ours();
}

// ── from another mode, and to one ───────────────────────────────────────────────────────────────

class IpvsChangeOfMode : public IpvsComing,
                         public testing::WithParamInterface<std::array<const char*, 2>> {
 protected:
  static const char* from() { return GetParam()[0]; }
  static const char* to() { return GetParam()[1]; }

  void expect_nothing_of(const std::string& mode) {
    if (mode == "ipvs") expect_nothing_left();
    if (mode == "iptables") {
      EXPECT_THAT(all_rules(), AllOf(Not(HasSubstr("KUBE-SVC")), Not(HasSubstr("KUBE-SERVICES"))));
    }
    if (mode == "userspace") {
      EXPECT_THAT(sh("nft list tables"), Not(HasSubstr("viaduct\n")));
      EXPECT_THAT(sh("ip rule; ip -6 rule"), Not(HasSubstr("fwmark")));
      EXPECT_EQ(sh("ip route show table all proto 118; ip -6 route show table all proto 118"), "");
    }
  }
};

// A change from the userspace mode is tried without clients: it gives a mode of another kind one
// second to come into force, which is little on an emulated machine.
TEST_P(IpvsChangeOfMode, AtARestartLosesNoConnectionAndLeavesNothing) {
  make();
  lab_->set_mode(from());
  lab_->apply(kWebService);
  lab_->start();
  lab_->settle();
  std::optional<RestlessClients> clients;
  if (std::string{from()} != "userspace") clients.emplace(lab_->topology());
  auto flags = flags_for(usual_settings(), to());
  flags.emplace_back("--take-over");
  Daemon next{lab_->node(), lab_->cluster(), flags};
  // The userspace mode waits a while for one of its kind, and goes on serving meanwhile.
  EXPECT_EQ(lab_->daemon().process().wait(patience(std::chrono::seconds{60})), 0) << said();
  next.wait_until_healthy();
  if (clients) {
    clients->go_on();
    clients->expect_that_nobody_noticed();
  }
  // The lab judges by what endpoints see in the ipvs mode, and so in the iptables mode.
  if (std::string{to()} != "userspace") expect_all_flows();
  expect_nothing_of(from());
}

INSTANTIATE_TEST_SUITE_P(
    Modes, IpvsChangeOfMode,
    testing::Values(std::array{"iptables", "ipvs"}, std::array{"ipvs", "iptables"},
                    std::array{"userspace", "ipvs"}, std::array{"ipvs", "userspace"}),
    [](const auto& tested) { return std::string{tested.param[0]} + "_to_" + tested.param[1]; });

TEST_F(IpvsComing, CleanupLeavesNothing) {
  start_web();
  lab_->daemon().stop(SIGTERM);
  EXPECT_EQ(lab_->wrong(kPodToWeb), "") << "what is in force stays when the daemon ends";
  EXPECT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0);
  expect_nothing_left();
  EXPECT_THAT(sh("iptables-save; ip6tables-save"), Not(HasSubstr("KUBE-")));
}

TEST_F(IpvsComing, FromIptablesAndBackNothingOfTheOtherModeStays) {
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
  EXPECT_TRUE(has(kWebServer));
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

}  // namespace
}  // namespace netns
