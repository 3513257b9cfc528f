// What becomes of UDP flows when endpoints change: the live cases of
// tests/conformance/conntrack.yaml.
//
// A second service, whose flow goes stale in every step, shows when the clean-up of that step is
// over: its entry is deleted with the others'.
#include "tests/netns/daemon_lab.hpp"
#include "tests/netns/probe.hpp"

#include <gtest/gtest.h>

#include <yaml-cpp/yaml.h>
#include <chrono>
#include <string>

namespace netns {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kCases = VIADUCT_CONFORMANCE "/conntrack.yaml";

std::string name_of(std::size_t index) {
  auto name = YAML::LoadFile(kCases)["liveCases"][index]["name"].as<std::string>();
  std::ranges::replace(name, '-', '_');
  return name;
}

constexpr const char* kSentinelService = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns6, name: sentinel}
spec:
  clusterIP: 172.30.6.6
  clusterIPs: [172.30.6.6]
  ports: [{name: udp, port: 99, protocol: UDP, targetPort: 99}]
)";

Object sentinel_slice(int port) {
  return {
      .key = {.kind = "EndpointSlice", .name_space = "ns6", .name = "sentinel-1"},
      .json =
          R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":)"
          R"({"namespace":"ns6","name":"sentinel-1","labels":)"
          R"({"kubernetes.io/service-name":"sentinel"}},"addressType":"IPv4","ports":)"
          R"([{"name":"udp","port":)" +
          std::to_string(port) +
          R"(,"protocol":"UDP"}],"endpoints":[{"addresses":["10.180.0.60"],"nodeName":"node-a"}]})"};
}

class StaleUdpFlows : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), "iptables");
    lab_->runner().serve({{parse_socket_address("10.180.0.60:100"), Protocol::udp},
                          {parse_socket_address("10.180.0.60:101"), Protocol::udp}});
    lab_->apply(std::string{kSentinelService});
    lab_->cluster().apply(sentinel_slice(100));
  }

  // One datagram; where it arrived and was answered, "" when it was not.
  std::string send(const IpAddress& from, const SocketAddress& to, Port source_port) {
    Probe probe{
        .client = &lab_->topology().owner(from), .from = from, .to = to, .protocol = Protocol::udp};
    probe.source_port = source_port;
    probe.patience = std::chrono::milliseconds{1000};
    const auto outcome = run(probe).front();
    return outcome.kind == Outcome::Kind::answered ? outcome.report.at.text() : "";
  }

  // The connection tracking entry of a flow from this port with its id, "" when there is none.
  std::string entry(Port source_port) {
    return run_or_fail(lab_->node().net, {"sh", "-c",
                                          "conntrack -L -o id -p udp --orig-port-src " +
                                              std::to_string(source_port.value) +
                                              " 2>/dev/null | sed 's/.* id=/id=/'"});
  }

  // The case's flow, anew until chance picks the endpoint that the case begins with.
  void establish(const IpAddress& from, const SocketAddress& to, Port port, const std::string& at) {
    std::string reached;
    for (int i = 0; i < 60 && reached != at; ++i) {
      run(lab_->node().net,
          {"conntrack", "-D", "-p", "udp", "--orig-port-src", std::to_string(port.value)});
      reached = send(from, to, port);
    }
    ASSERT_EQ(reached, at);
  }

  // Makes the sentinel's flow stale, and waits until its entry is gone.
  void wait_for_clean_up(int step) {
    const auto before = entry(kSentinelPort);
    lab_->cluster().apply(sentinel_slice(step % 2 == 0 ? 101 : 100));
    lab_->settle();
    wait_until_gone(kSentinelPort, before);
    EXPECT_NE(send_sentinel(), "");
  }
  // A clean-up may come a second or two after the rules: walks of the kernel's table are rationed.
  void wait_until_gone(Port source_port, const std::string& before) {
    const auto deadline = Clock::now() + std::chrono::seconds{10};
    while (entry(source_port) == before) {
      ASSERT_LT(Clock::now(), deadline) << lab_->daemon().process().output();
    }
  }
  std::string send_sentinel() {
    return send(address("10.180.0.100"), parse_socket_address("172.30.6.6:99"), kSentinelPort);
  }

  static constexpr Port kSentinelPort{11111};
  std::optional<DaemonLab> lab_;
};

INSTANTIATE_TEST_SUITE_P(, StaleUdpFlows,
                         testing::Range(std::size_t{0}, YAML::LoadFile(kCases)["liveCases"].size()),
                         [](const auto& index) { return name_of(index.param); });

TEST_P(StaleUdpFlows, GoWhereTheCasesSay) {
  const auto live = YAML::LoadFile(kCases)["liveCases"][GetParam()];
  const auto flow = live["flow"];
  const auto from = address(flow["client"].as<std::string>());
  const SocketAddress to{address(flow["to"].as<std::string>()),
                         Port{flow["port"].as<std::uint16_t>()}};
  const Port port{flow["sourcePort"].as<std::uint16_t>()};
  for (const auto& step : live["steps"]) lab_->runner().serve(listeners_in(step["apply"]));
  lab_->apply(live["objects"]);
  lab_->start();
  lab_->settle();
  ASSERT_NE(send_sentinel(), "");
  establish(from, to, port, flow["reaches"].as<std::string>());
  if (HasFatalFailure()) return;

  int number = 0;
  for (const auto& step : live["steps"]) {
    SCOPED_TRACE(step["name"].as<std::string>());
    const auto before = entry(port);
    ASSERT_NE(before, "");
    for (const auto& gone : step["delete"]) {
      lab_->remove({gone["kind"].as<std::string>(), gone["namespace"].as<std::string>(),
                    gone["name"].as<std::string>()});
    }
    lab_->apply(step["apply"]);
    wait_for_clean_up(number++);
    if (HasFatalFailure()) return;
    if (step["entryDeleted"].as<bool>()) {
      wait_until_gone(port, before);
      if (HasFatalFailure()) return;
    } else {
      EXPECT_EQ(entry(port), before);
    }
    if (const auto reached = step["reaches"]) {
      EXPECT_EQ(send(from, to, port), reached.as<std::string>());
    }
  }
}

}  // namespace
}  // namespace netns
