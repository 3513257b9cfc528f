// Coming to a node where kube-proxy has been, and leaving it to kube-proxy again, with clients
// connecting all the while.
#include "tests/netns/kube_proxy_dump.hpp"
#include "tests/netns/restless_client.hpp"
#include "tests/netns/web_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <regex>

namespace netns {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TakeOver : public WebLab {
 protected:
  // A node that kube-proxy forwards for; no daemon runs.
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), "iptables");
    lab_->apply(kWebService);
    restore_kube_proxys();
    expect_all_flows();  // it is what kube-proxy would have there
  }

  // As kube-proxy's node had it: whole tables, what else is in them goes.
  void restore_kube_proxys() {
    for (const auto family : proxy::kFamilies) {
      run_or_fail(lab_->node().net,
                  {family == Family::v4 ? "iptables-restore" : "ip6tables-restore"},
                  kube_proxy_dump(family));
    }
  }

  void begin_to_connect() { clients_.emplace(lab_->topology()); }
  void go_on_connecting() { clients_->go_on(); }
  void expect_that_nobody_noticed() { clients_->expect_that_nobody_noticed(); }

  std::optional<RestlessClients> clients_;
};

TEST_F(TakeOver, FromKubeProxyLosesNoConnectionAndLeavesNothingStale) {
  begin_to_connect();
  lab_->start();
  lab_->settle();
  go_on_connecting();
  expect_that_nobody_noticed();
  const auto rules = all_rules();
  EXPECT_THAT(rules, AllOf(HasSubstr("KUBE-SVC-4LVCYZMTA5CQO6SX"), Not(HasSubstr(kGoneService)),
                           Not(HasSubstr("ns1/gone")), HasSubstr(kForeignComment)));
  expect_all_flows();
  // All that forwards is ours now. What outlives a cleanup is a stranger's rule, and those that a
  // kubelet would have in the chains it shares with proxies.
  lab_->daemon().stop(SIGTERM);
  EXPECT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0);
  EXPECT_THAT(all_rules(), AllOf(Not(HasSubstr("ns1/web")), Not(HasSubstr("-j KUBE-SERVICES")),
                                 Not(HasSubstr("-A KUBE-POSTROUTING")),
                                 Not(HasSubstr("-A KUBE-FORWARD")), HasSubstr(kForeignComment)));
}

TEST_F(TakeOver, BackToKubeProxyLosesNoConnectionAndCleanupRemovesNothingOfIts) {
  lab_->start();
  lab_->settle();
  begin_to_connect();
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0);
  restore_kube_proxys();
  const auto theirs = all_rules();
  const auto cleaned = run_viaduct(lab_->node(), {"cleanup"});
  EXPECT_EQ(cleaned.status, 0) << cleaned.output;
  EXPECT_THAT(cleaned.output, HasSubstr("removed 0 rules and 0 chains"));
  EXPECT_EQ(all_rules(), theirs);
  go_on_connecting();
  expect_that_nobody_noticed();
  expect_all_flows();
}

// kube-proxy starts beside our rules and rewrites its chains by name, as it does, but no jump from
// a built-in chain that is there already (iptables --check); what it does not know stays until
// cleanup.
TEST_F(TakeOver, CleanupAfterKubeProxyHasStartedTakesOnlyWhatIsOurs) {
  lab_->start();
  lab_->settle();
  begin_to_connect();
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0);
  for (const auto family : proxy::kFamilies) {
    auto dump = kube_proxy_dump(family);
    static const std::regex jump{"-A (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) .*-j KUBE-.*\n"};
    dump = std::regex_replace(dump, jump, "");
    run_or_fail(lab_->node().net,
                {family == Family::v4 ? "iptables-restore" : "ip6tables-restore", "--noflush"},
                dump);
  }
  EXPECT_EQ(run_viaduct(lab_->node(), {"cleanup"}).status, 0);
  go_on_connecting();
  expect_that_nobody_noticed();
  expect_all_flows();
  // Nothing to refuse at the moment, but there will be.
  EXPECT_THAT(run_or_fail(lab_->node().net, {"iptables-save", "-t", "filter"}),
              HasSubstr("-A OUTPUT -m conntrack --ctstate NEW"));
  // Whoever starts us again finds a node of kube-proxy's.
  lab_->start();
  lab_->settle();
  expect_all_flows();
}

// ── another mode ─────────────────────────────────────────────────────────────────────────────────

class ChangeOfMode : public TakeOver,
                     public testing::WithParamInterface<std::array<const char*, 2>> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), GetParam()[0]);
    lab_->apply(kWebService);
    lab_->start();
    lab_->settle();
  }
};

TEST_P(ChangeOfMode, AtARestartLosesNoConnection) {
  begin_to_connect();
  auto flags = flags_for(usual_settings(), GetParam()[1]);
  flags.emplace_back("--take-over");
  Daemon next{lab_->node(), lab_->cluster(), flags};
  // The userspace mode is not to wait for one of its kind: it would go on with what it knew.
  EXPECT_EQ(lab_->daemon().process().wait(std::chrono::seconds{60}), 0) << said();
  next.wait_until_healthy();
  go_on_connecting();
  expect_that_nobody_noticed();
}

INSTANTIATE_TEST_SUITE_P(Modes, ChangeOfMode,
                         testing::Values(std::array{"iptables", "userspace"},
                                         std::array{"userspace", "iptables"}),
                         [](const auto& tested) {
                           return std::string{tested.param[0]} + "_to_" + tested.param[1];
                         });

}  // namespace
}  // namespace netns
