// What the machine and other programs do to a running daemon: it goes on, says so, and what packets
// meet comes right again.
#include "tests/netns/http.hpp"
#include "tests/netns/web_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <sstream>

namespace netns {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr Port kHealthPort{10256};
constexpr Port kMetricsPort{10249};

// The name of its chain is among the examples of tests/conformance/naming.yaml.
constexpr const char* kCartChain = "KUBE-SVC-N5W5PH5NLY2BP4HG";
constexpr const char* kCart = R"(
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: cart}
spec:
  clusterIP: 172.30.0.44
  clusterIPs: [172.30.0.44]
  ports: [{port: 80, protocol: TCP, targetPort: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: cart-4, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
ports: [{name: '', port: 80, protocol: TCP}]
endpoints: [{addresses: [10.180.0.1], nodeName: node-a}]
)";
constexpr const char* kCartFlow =
    "from: 10.180.0.100, to: 172.30.0.44, port: 80, protocol: TCP, "
    "expect: {endpoints: ['10.180.0.1:80'], masquerade: false}";

class DaemonAdversity : public WebLab {
 protected:
  std::string get(Port port, const std::string& path) {
    return http_get(lab_->node().net, {IpAddress::loopback(Family::v4), port}, path).text;
  }
  std::string metrics() { return get(kMetricsPort, "/metrics"); }
  void nft(const std::string& commands) {
    run_or_fail(lab_->node().net, {"nft", "-f", "-"}, commands);
  }
};

TEST_F(DaemonAdversity, TellsHowManyClientsSessionAffinityRemembers) {
  std::string limit;
  std::ifstream{"/sys/module/xt_recent/parameters/ip_list_tot"} >> limit;
  if (limit.empty()) GTEST_SKIP() << "the kernel does not say: xt_recent is not loaded";
  EXPECT_THAT(said(), HasSubstr("session affinity remembers at most " + limit + " clients"));
  EXPECT_THAT(metrics(),
              HasSubstr("\nviaduct_session_affinity_clients_per_endpoint_limit " + limit + "\n"));
}

// ── what the kernel refuses ──────────────────────────────────────────────────────────────────────

// A chain of somebody else's that packets enter by a hook: no rule may jump there.
TEST_F(DaemonAdversity, AServiceThatTheKernelRefusesIsSetAsideAndAllOthersAreWritten) {
  nft("add chain ip nat " + std::string{kCartChain} +
      " { type nat hook output priority 300; policy accept; }");
  lab_->apply(kCart);
  lab_->settle();
  EXPECT_THAT(said(), HasSubstr("shop/cart (TCP IPv4) is set aside: "));
  EXPECT_THAT(metrics(), HasSubstr("\nviaduct_set_aside_service_ports 1\n"));
  EXPECT_EQ(get(kHealthPort, "/healthz").substr(9, 3), "200");
  expect_all_flows();
  // Its next change is tried, as any reconcile would try it.
  nft("delete chain ip nat " + std::string{kCartChain});
  lab_->remove({"EndpointSlice", "shop", "cart-4"});
  lab_->settle();
  lab_->apply(kCart);
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kCartFlow), "");
  EXPECT_THAT(said(), HasSubstr("shop/cart (TCP IPv4) is no longer set aside"));
}

TEST_F(DaemonAdversity, AChainThatOthersJumpToStaysEmptyAndGoesWhenTheyLetGo) {
  lab_->apply(kCart);
  lab_->settle();
  const std::vector<std::string> theirs{"FORWARD-TO-CART", "-d", "203.0.113.99", "-j", kCartChain};
  const auto iptables = [&](const char* command) {
    std::vector<std::string> arguments{"iptables", "-t", "nat", command};
    arguments.insert(arguments.end(), theirs.begin(), theirs.end());
    run_or_fail(lab_->node().net, arguments);
  };
  run_or_fail(lab_->node().net, {"iptables", "-t", "nat", "-N", theirs.front()});
  iptables("-A");
  lab_->remove({"Service", "shop", "cart"});
  lab_->settle();
  auto rules = lab_->saved_rules(Family::v4);
  EXPECT_THAT(rules, HasSubstr(":" + std::string{kCartChain}));
  EXPECT_THAT(rules, Not(HasSubstr("-A " + std::string{kCartChain})));
  EXPECT_THAT(rules, HasSubstr("-A FORWARD-TO-CART -d 203.0.113.99/32 -j"));
  iptables("-D");
  lab_->daemon().stop(SIGTERM);
  lab_->start();
  EXPECT_THAT(lab_->saved_rules(Family::v4), Not(HasSubstr(kCartChain)));
  expect_all_flows();
}

// ── others at the same tables ────────────────────────────────────────────────────────────────────

TEST_F(DaemonAdversity, ChangesGoThroughWhileAnotherProgramCommitsAllTheTime) {
  nft("add table ip busy; add chain ip busy c");
  Process other{
      lab_->node().net,
      {"sh", "-c", "while nft 'add rule ip busy c accept; flush chain ip busy c'; do echo; done"}};
  for (int round = 0; round < 20; ++round) {
    lab_->apply(kCart);
    lab_->settle();
    ASSERT_EQ(lab_->wrong(kCartFlow), "");
    lab_->remove({"Service", "shop", "cart"});
    lab_->settle();
  }
  EXPECT_EQ(other.wait(std::chrono::milliseconds{0}), std::nullopt) << other.output();
  EXPECT_GT(other.output().size(), 20U) << "it committed less than once in a round";
  EXPECT_THAT(said(), Not(HasSubstr("failed")));
  expect_all_flows();
}

// Of the process's netlink sockets: how many messages the kernel had to throw away.
long dropped_by_netlink(const Process& process) {
  const auto of = [&](const std::string& file) {
    return std::ifstream{"/proc/" + std::to_string(process.pid()) + file};
  };
  long sum = 0;
  auto table = of("/net/netlink");
  std::string line;
  std::getline(table, line);  // the heading
  while (std::getline(table, line)) {
    std::istringstream fields{line};
    std::string socket, protocol, port, groups, received, sent, dump, locks, drops;
    fields >> socket >> protocol >> port >> groups >> received >> sent >> dump >> locks >> drops;
    if (protocol == "12") sum += std::stol(drops);  // NETLINK_NETFILTER
  }
  return sum;
}

TEST_F(DaemonAdversity, RepairsWhatItMissedWhenNotificationsWereLost) {
  const auto before = all_rules();
  std::string flood = "*nat\n:FLOOD - [0:0]\n";
  for (int i = 0; i < 20'000; ++i)
    flood += "-A FLOOD -d 203.0.113.99/32 -p tcp --dport 9 -j ACCEPT\n";
  flood += "COMMIT\n";
  auto& daemon = lab_->daemon().process();
  daemon.signal(SIGSTOP);
  const auto drops = dropped_by_netlink(daemon);
  for (int round = 0; round < 20 && dropped_by_netlink(daemon) == drops; ++round) {
    run_or_fail(lab_->node().net, {"iptables-restore", "--noflush"}, flood);
  }
  EXPECT_GT(dropped_by_netlink(daemon), drops);
  // Nobody hears of this.
  run_or_fail(lab_->node().net, {"iptables", "-t", "nat", "-F", "KUBE-SERVICES"});
  run_or_fail(lab_->node().net, {"iptables", "-t", "nat", "-F", "FLOOD"});
  run_or_fail(lab_->node().net, {"iptables", "-t", "nat", "-X", "FLOOD"});
  daemon.signal(SIGCONT);
  EXPECT_TRUE(comes_true([&] { return all_rules() == before; })) << said() << all_rules();
  expect_all_flows();
}

// ── what the machine runs out of ─────────────────────────────────────────────────────────────────

TEST_F(DaemonAdversity, AFullLogIsNoReasonToStop) {
  lab_->daemon().stop(SIGTERM);
  lab_->start({"sh", "-c", R"(exec "$0" "$@" >/dev/full 2>&1)"});
  lab_->apply(kCart);
  lab_->settle();
  EXPECT_EQ(lab_->wrong(kCartFlow), "");
  EXPECT_EQ(lab_->daemon().stop(SIGTERM), 0);
}

TEST_F(DaemonAdversity, WithoutDescriptorsLeftItKeepsWhatIsInForceAndCatchesUpLater) {
  const auto pid = std::to_string(lab_->daemon().process().pid());
  const auto limit = [&](const std::string& files) {
    run_or_fail(lab_->node().net, {"prlimit", "--pid", pid, "--nofile=" + files + ":4096"});
  };
  limit("3");
  expect_all_flows();
  lab_->apply(kCart);
  EXPECT_TRUE(comes_true([&] { return said().find("Too many open files") != std::string::npos; }));
  run_or_fail(lab_->node().net, {"iptables", "-t", "nat", "-F", "KUBE-SERVICES"});
  EXPECT_TRUE(comes_true([&] { return lab_->wrong(kWebFlows.front()).empty(); })) << said();
  limit("4096");
  EXPECT_TRUE(comes_true([&] { return lab_->wrong(kCartFlow).empty(); })) << said();
  EXPECT_EQ(get(kHealthPort, "/healthz").substr(9, 3), "200");
  expect_all_flows();
}

// ── the node itself ──────────────────────────────────────────────────────────────────────────────

class NodePortAddresses : public DaemonAdversity {
 protected:
  void SetUp() override {
    auto settings = usual_settings();
    settings.node_port_addresses = {"192.168.0.0/24", "192.168.77.0/24", "2001:db8:77::/64"};
    begin(settings);
  }
};

TEST_F(NodePortAddresses, FollowTheAddressesThatTheNodeGetsAndLoses) {
  const auto has_rule = [&](Family family, const std::string& address) {
    return lab_->saved_rules(family).find("-A KUBE-SERVICES -d " + address + " ") !=
           std::string::npos;
  };
  ASSERT_TRUE(has_rule(Family::v4, "192.168.0.2/32"));
  ASSERT_FALSE(has_rule(Family::v4, "192.168.77.7/32"));
  for (const auto* ip : {"192.168.77.7", "2001:db8:77::7", "192.168.78.7"})
    lab_->topology().add_node_address(address(ip));
  EXPECT_TRUE(comes_true([&] {
    return has_rule(Family::v4, "192.168.77.7/32") && has_rule(Family::v6, "2001:db8:77::7/128");
  })) << said();
  EXPECT_FALSE(has_rule(Family::v4, "192.168.78.7/32")) << "in none of the ranges";
  EXPECT_EQ(
      lab_->wrong("from: 203.0.113.2, to: 192.168.77.7, port: 30001, protocol: TCP, "
                  "expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: true}"),
      "");
  run_or_fail(lab_->node().net, {"ip", "address", "delete", "192.168.77.7/32", "dev", "lo"});
  run_or_fail(lab_->node().net, {"ip", "address", "delete", "2001:db8:77::7/128", "dev", "lo"});
  EXPECT_TRUE(comes_true([&] {
    return !has_rule(Family::v4, "192.168.77.7/32") && !has_rule(Family::v6, "2001:db8:77::7/128");
  })) << said();
  EXPECT_THAT(said(), Not(HasSubstr("changed what this proxy had written")));
  expect_all_flows();
}

}  // namespace
}  // namespace netns
