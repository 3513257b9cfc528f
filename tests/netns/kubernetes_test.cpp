// A daemon that follows an API server, and the packets of a node: what comes from the API is in the
// kernel, and stays there whatever becomes of the API.
#include "tests/fakes/api_server/api_server.hpp"
#include "tests/netns/daemon_lab.hpp"
#include "tests/netns/http.hpp"

#include <gtest/gtest.h>

#include <sched.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

namespace netns {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kFolder = "/run/viaduct-api-lab";

std::string service(const std::string& name, const std::string& cluster_ip) {
  return R"({"metadata":{"name":")" + name +
         R"(","namespace":"ns1"},"spec":{"type":"ClusterIP","clusterIP":")" + cluster_ip +
         R"(","clusterIPs":[")" + cluster_ip +
         R"("],"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":80}]}})";
}
std::string slice(const std::string& name) {
  return R"({"metadata":{"name":")" + name +
         R"(-4","namespace":"ns1","labels":{"kubernetes.io/service-name":")" + name +
         R"("}},"addressType":"IPv4","ports":[{"name":"http","port":80,"protocol":"TCP"}],)"
         R"("endpoints":[{"addresses":["10.180.0.1"],"nodeName":"node-a"}]})";
}
std::string flow_to(const std::string& vip, const std::string& expect) {
  return "{name: flow, basis: source, from: 10.180.0.100, to: " + vip +
         ", port: 80, protocol: TCP, expect: " + expect + "}";
}
const std::string kServed = "{endpoints: ['10.180.0.1:80'], masquerade: false}";

class Kubernetes : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    topology_.emplace();
    responder_.emplace();
    runner_.emplace(*topology_, *responder_, mode_traits("iptables"));
    runner_->serve({{parse_socket_address("10.180.0.1:80"), Protocol::tcp}});
    server_.emplace(fakes::ApiServerOptions{.prepare_thread = [this] {
      ASSERT_EQ(::setns(topology_->node_a().net.fd(), CLONE_NEWNET), 0);
    }});
    std::filesystem::remove_all(kFolder);
    std::filesystem::create_directories(kFolder);
    std::ofstream{file("kubeconfig")} << server_->kubeconfig("secret");
    server_->set_token("secret");
    server_->put("nodes", "node-a",
                 R"({"metadata":{"name":"node-a"},"status":{"addresses":)"
                 R"([{"type":"InternalIP","address":"192.168.0.2"}]}})");
    add("web", "172.30.0.41");
  }
  void TearDown() override { std::filesystem::remove_all(kFolder); }

  static std::string file(const std::string& name) { return std::string{kFolder} + "/" + name; }

  void add(const std::string& name, const std::string& vip) {
    server_->put("endpointslices", "ns1/" + name + "-4", slice(name));
    server_->put("services", "ns1/" + name, service(name, vip));
  }
  void remove(const std::string& name) {
    server_->remove("services", "ns1/" + name);
    server_->remove("endpointslices", "ns1/" + name + "-4");
  }
  void start() {
    auto flags = flags_for(usual_settings(), "iptables");
    flags.insert(flags.end(),
                 {"--kubeconfig=" + file("kubeconfig"), "--state-file=" + file("state"), "-v4"});
    daemon_.reset();
    daemon_.emplace(topology_->node_a(), flags);
  }

  // Empty when it does as it should.
  std::string wrong(const std::string& flow) {
    const std::vector flows{parse_flow(YAML::Load(flow))};
    const auto failures = runner_->run(flows);
    return failures.empty() ? "" : failures.front().text;
  }
  // Tries until the flow does as it should.
  void expect_soon(const std::string& flow) {
    const auto deadline = Clock::now() + std::chrono::seconds{20};
    std::string what;
    while (!(what = wrong(flow)).empty()) {
      if (Clock::now() < deadline) continue;
      FAIL() << what << daemon_->process().output();
    }
  }
  void expect_in_log(const std::string& text) {
    const auto deadline = Clock::now() + std::chrono::seconds{20};
    while (daemon_->process().output().find(text) == std::string::npos) {
      ASSERT_LT(Clock::now(), deadline) << text << " is not in\n" << daemon_->process().output();
      daemon_->process().wait(std::chrono::milliseconds{5});
    }
  }

  std::optional<Topology> topology_;
  std::optional<Responder> responder_;
  std::optional<FlowRunner> runner_;
  std::optional<fakes::ApiServer> server_;
  std::optional<Daemon> daemon_;
};

TEST_F(Kubernetes, ServicesOfTheApiAreServed) {
  start();
  daemon_->wait_until_healthy();
  EXPECT_EQ(wrong(flow_to("172.30.0.41", kServed)), "") << daemon_->process().output();
  add("api", "172.30.0.42");
  expect_soon(flow_to("172.30.0.42", kServed));
  remove("web");
  expect_soon(flow_to("172.30.0.41", "PASS"));
  EXPECT_EQ(daemon_->stop(SIGTERM), 0) << daemon_->process().output();
}

TEST_F(Kubernetes, AnApiServerThatGoesAwayCutsNothingAndIsCaughtUpWith) {
  start();
  daemon_->wait_until_healthy();
  server_->stop_listening();
  expect_in_log("Connection refused");
  EXPECT_EQ(wrong(flow_to("172.30.0.41", kServed)), "");
  add("api", "172.30.0.42");
  remove("web");
  server_->compact();
  server_->listen_again();
  expect_soon(flow_to("172.30.0.42", kServed));
  expect_soon(flow_to("172.30.0.41", "PASS"));
}

TEST_F(Kubernetes, ANodeThatBootsWithoutTheApiForwardsByTheStateFile) {
  start();
  daemon_->wait_until_healthy();
  EXPECT_EQ(daemon_->stop(SIGTERM), 0);
  server_->stop_listening();
  run_or_fail(topology_->node_a().net, {"nft", "flush", "ruleset"});  // as a boot does
  start();
  daemon_->wait_until_healthy();
  EXPECT_EQ(wrong(flow_to("172.30.0.41", kServed)), "") << daemon_->process().output();
  const SocketAddress health{IpAddress::loopback(Family::v4), Port{10256}};
  EXPECT_NE(http_get(topology_->node_a().net, health, "/healthz").text.find("recordsAsOf"),
            std::string::npos);
  expect_in_log("the API server has given no records");
  server_->listen_again();
  add("api", "172.30.0.42");
  expect_soon(flow_to("172.30.0.42", kServed));
  EXPECT_EQ(http_get(topology_->node_a().net, health, "/healthz").text.find("recordsAsOf"),
            std::string::npos);
}

}  // namespace
}  // namespace netns
