// A daemon that is stopped, killed, started again and tampered with: what packets meet meanwhile.
#include "tests/netns/nf_tables_generation.hpp"
#include "tests/netns/restless_client.hpp"
#include "tests/netns/web_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <random>

namespace netns {
namespace {

using std::chrono::milliseconds;
using testing::ContainsRegex;

class DaemonLife : public WebLab {
 protected:
  void expect_repair_of(const std::vector<std::string>& damage, const std::string& author) {
    const auto before = all_rules();
    run_or_fail(lab_->node().net, damage);
    EXPECT_TRUE(comes_true([&] { return all_rules() == before; })) << said() << all_rules();
    EXPECT_THAT(said(), ContainsRegex(author + " \\(process [0-9]+\\) changed what this proxy"));
    expect_all_flows();
  }
};

TEST_F(DaemonLife, StartedAgainOnACorrectKernelWritesNothing) {
  lab_->daemon().stop(SIGTERM);
  const auto generation = nf_tables_generation(lab_->node().net);
  lab_->start();
  EXPECT_EQ(nf_tables_generation(lab_->node().net), generation) << said();
  lab_->daemon().stop(SIGKILL);
  lab_->start();
  EXPECT_EQ(nf_tables_generation(lab_->node().net), generation) << "after a kill";
  expect_all_flows();
}

TEST_F(DaemonLife, EndingInGoodOrderLeavesTheRulesInForce) {
  const auto before = all_rules();
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0) << said();
  EXPECT_EQ(all_rules(), before);
  expect_all_flows();
}

TEST_F(DaemonLife, MendsWhatChangedWhileItWasAway) {
  lab_->daemon().stop(SIGTERM);
  run_or_fail(lab_->node().net, {"iptables", "-t", "nat", "-F", "KUBE-SERVICES"});
  run_or_fail(lab_->node().net, {"ip6tables", "-t", "nat", "-F", "PREROUTING"});
  lab_->remove({"EndpointSlice", "ns1", "web-4"});
  lab_->start();
  lab_->settle();
  EXPECT_EQ(
      lab_->wrong("from: 10.180.0.100, to: 172.30.0.41, port: 80, protocol: TCP, expect: REJECT"),
      "");
  EXPECT_EQ(lab_->wrong(kWebFlows.back()), "");
}

TEST_F(DaemonLife, RepairsAFlushedNatTable) {
  expect_repair_of({"iptables", "-t", "nat", "-F"}, "iptables");
}

TEST_F(DaemonLife, RepairsAFlushedFilterTable) {
  expect_repair_of({"ip6tables", "-t", "filter", "-F"}, "ip6tables");
}

TEST_F(DaemonLife, RepairsAFlushedRuleset) {
  expect_repair_of({"nft", "flush", "ruleset"}, "nft");
}

TEST_F(DaemonLife, RepairsATableThatVanished) {
  expect_repair_of({"nft", "delete", "table", "ip", "nat"}, "nft");
  expect_repair_of({"nft", "delete", "table", "ip6", "filter"}, "nft");
}

TEST_F(DaemonLife, RepairsASingleDeletedRule) {
  expect_repair_of({"sh", "-c", "iptables -t nat -D PREROUTING 1"}, "iptables");
}

Object churning_slice(int round) {
  const std::string extra =
      round % 2 == 0 ? R"(,{"addresses":["10.180.0.3"],"nodeName":"node-a"})" : "";
  return {
      .key = {.kind = "EndpointSlice", .name_space = "ns1", .name = "web-4"},
      .json = R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":)"
              R"({"namespace":"ns1","name":"web-4","labels":{"kubernetes.io/service-name":"web"}},)"
              R"("addressType":"IPv4","ports":[{"name":"http","port":80,"protocol":"TCP"}],)"
              R"("endpoints":[{"addresses":["10.180.0.1"],"nodeName":"node-a"},)"
              R"({"addresses":["10.180.1.1"],"nodeName":"node-b"})" +
              extra + "]}"};
}

TEST_F(DaemonLife, KilledAgainAndAgainDuringChangesLosesNoConnection) {
  lab_->runner().serve({{parse_socket_address("10.180.0.3:80"), Protocol::tcp}});
  RestlessClient inside{lab_->topology().owner(address("10.180.0.100")), "10.180.0.100",
                        "172.30.0.41:80"};
  RestlessClient outside{lab_->topology().owner(address("203.0.113.2")), "203.0.113.2",
                         "192.168.0.2:30001"};
  lab_->daemon().stop(SIGKILL);
  std::mt19937 random{1};  // NOLINT(cert-msc51-cpp,bugprone-random-generator-seed): repeatable
  std::uniform_int_distribution<int> moment{0, 60};
  for (int round = 0; round < 30; ++round) {
    Daemon daemon{lab_->node(), lab_->cluster(), flags_for(usual_settings(), "iptables")};
    lab_->cluster().apply(churning_slice(round));
    daemon.process().wait(milliseconds{moment(random)});
    lab_->cluster().apply(churning_slice(round + 1));
    daemon.process().wait(milliseconds{moment(random)});
    daemon.stop(SIGKILL);
  }
  lab_->cluster().apply(churning_slice(1));  // without the endpoint that came and went
  lab_->start();
  lab_->settle();
  for (auto* client : {&inside, &outside}) {
    client->finish();
    EXPECT_EQ(client->failures(), 0)
        << "of " << client->connections() << ": " << client->first_failure();
    EXPECT_GT(client->connections(), 100);
  }
  expect_all_flows();
}

}  // namespace
}  // namespace netns
