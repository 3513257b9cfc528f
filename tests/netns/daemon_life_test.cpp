// A daemon that is stopped, killed, started again and tampered with: what packets meet meanwhile.
#include "tests/netns/daemon_lab.hpp"
#include "tests/netns/nf_tables_generation.hpp"
#include "tests/netns/probe.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

namespace netns {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr const char* kService = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: web}
spec:
  type: NodePort
  clusterIP: 172.30.0.41
  clusterIPs: [172.30.0.41, 'fd00:172:30::41']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30001}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-4, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.180.0.1], nodeName: node-a}, {addresses: [10.180.1.1], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-6, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: ['fd00:10:180::1'], nodeName: node-a}, {addresses: ['fd00:10:180:1::1'], nodeName: node-b}]
)";

const std::vector<std::string> kFlows{
    "from: 10.180.0.100, to: 172.30.0.41, port: 80, protocol: TCP, "
    "expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: false}",
    "from: 203.0.113.2, to: 192.168.0.2, port: 30001, protocol: TCP, "
    "expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: true}",
    "from: 'fd00:10:180::100', to: 'fd00:172:30::41', port: 80, protocol: TCP, "
    "expect: {endpoints: ['[fd00:10:180::1]:80', '[fd00:10:180:1::1]:80'], masquerade: false}"};

class DaemonLife : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), "iptables");
    lab_->apply(kService);
    lab_->start();
    lab_->settle();
  }

  void expect_all_flows() {
    for (const auto& flow : kFlows) EXPECT_EQ(lab_->wrong(flow), "");
  }

  [[nodiscard]] std::string all_rules() {
    return lab_->saved_rules(Family::v4) + lab_->saved_rules(Family::v6);
  }

  // Waits until the node's rules are these again. Looking takes some ten milliseconds each time.
  [[nodiscard]] bool come_back_to(const std::string& rules) {
    const auto deadline = Clock::now() + std::chrono::seconds{10};
    while (all_rules() != rules) {
      if (Clock::now() > deadline) return false;
    }
    return true;
  }

  void expect_repair_of(const std::vector<std::string>& damage) {
    const auto before = all_rules();
    run_or_fail(lab_->node().net, damage);
    EXPECT_TRUE(come_back_to(before)) << lab_->daemon().process().output() << all_rules();
    expect_all_flows();
  }

  std::optional<DaemonLab> lab_;
};

TEST_F(DaemonLife, StartedAgainOnACorrectKernelWritesNothing) {
  lab_->daemon().stop(SIGTERM);
  const auto generation = nf_tables_generation(lab_->node().net);
  lab_->start();
  EXPECT_EQ(nf_tables_generation(lab_->node().net), generation)
      << lab_->daemon().process().output();
  lab_->daemon().stop(SIGKILL);
  lab_->start();
  EXPECT_EQ(nf_tables_generation(lab_->node().net), generation) << "after a kill";
  expect_all_flows();
}

TEST_F(DaemonLife, EndingInGoodOrderLeavesTheRulesInForce) {
  const auto before = all_rules();
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0) << lab_->daemon().process().output();
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
  EXPECT_EQ(lab_->wrong(kFlows.back()), "");
}

TEST_F(DaemonLife, RepairsAFlushedNatTable) {
  expect_repair_of({"iptables", "-t", "nat", "-F"});
}

TEST_F(DaemonLife, RepairsAFlushedFilterTable) {
  expect_repair_of({"ip6tables", "-t", "filter", "-F"});
}

TEST_F(DaemonLife, RepairsAFlushedRuleset) {
  expect_repair_of({"nft", "flush", "ruleset"});
}

TEST_F(DaemonLife, RepairsASingleDeletedRule) {
  expect_repair_of({"sh", "-c", "iptables -t nat -D PREROUTING 1"});
}

// Connects without end, and counts what went wrong.
class RestlessClient {
 public:
  RestlessClient(Party& client, const char* from, const char* to)
      : probe_{.client = &client, .from = address(from), .to = parse_socket_address(to)},
        thread_{[this] {
          while (!stop_) {
            const auto outcome = run(probe_).front();
            ++connections_;
            if (outcome.kind == Outcome::Kind::answered) continue;
            ++failures_;
            first_failure_ = outcome.text();
          }
        }} {}
  ~RestlessClient() { finish(); }
  void finish() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] int failures() const { return failures_; }
  [[nodiscard]] const std::string& first_failure() const {
    return first_failure_;
  }  // after finish()

 private:
  Probe probe_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> connections_ = 0;
  std::atomic<int> failures_ = 0;
  std::string first_failure_;
  std::thread thread_;
};

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
