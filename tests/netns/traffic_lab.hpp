// What the daemon says has gone through its services, beside what really has.
#pragma once

#include "tests/netns/probe.hpp"
#include "tests/netns/web_lab.hpp"

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace netns {

// A UDP service of both families with an endpoint here and one on another node.
inline constexpr const char* kNamesService = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: names}
spec:
  clusterIP: 172.30.0.53
  clusterIPs: [172.30.0.53, 'fd00:172:30::53']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: dns, port: 53, protocol: UDP, targetPort: 53}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: names-4, labels: {kubernetes.io/service-name: names}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}]
endpoints: [{addresses: [10.180.0.2], nodeName: node-a}, {addresses: [10.180.1.2], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: names-6, labels: {kubernetes.io/service-name: names}}
addressType: IPv6
ports: [{name: dns, port: 53, protocol: UDP}]
endpoints: [{addresses: ['fd00:10:180::2'], nodeName: node-a}]
)";

// What the endpoints say that they got: connections by their address, and the bytes they answered.
struct Met {
  std::map<std::string, std::uint64_t> connections;
  std::uint64_t all = 0;
  std::uint64_t bytes_out = 0;
};

class TrafficLab : public testing::Test {
 protected:
  void start(const std::string& mode, std::vector<std::string> flags = {}) {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), mode);
    lab_->set_flags(std::move(flags));
    lab_->apply(kWebService);
    lab_->apply(kNamesService);
    lab_->start();
    lab_->settle();
  }

  // Makes as many connections (flows of one datagram), and adds what became of them to `met`.
  void connect(const char* from, const char* to, Protocol protocol, int count, Met& met) {
    const auto source = *proxy::parse_ip(from);
    const auto outcomes = run(Probe{.client = &lab_->topology().owner(source),
                                    .from = source,
                                    .to = parse_socket_address(to),
                                    .protocol = protocol,
                                    .count = count});
    for (const auto& outcome : outcomes) {
      ASSERT_EQ(outcome.kind, Outcome::Kind::answered) << outcome.text();
      ++met.connections[outcome.report.at.text()];
      ++met.all;
      met.bytes_out += encode(outcome.report).size();
    }
  }

  // The row of a service port as `viaduct status` has it.
  [[nodiscard]] YAML::Node row(const std::string& name, const std::string& family) {
    const auto said = run_viaduct(lab_->node(), {"status", name, "-o", "json"});
    EXPECT_EQ(said.status, 0) << said.output;
    for (const auto& one : YAML::Load(said.output)["services"]["rows"]) {
      if (one["name"].as<std::string>() == name && one["family"].as<std::string>() == family) {
        return one;
      }
    }
    ADD_FAILURE() << "no row of " << name << " in " << said.output;
    return {};
  }

  // By their address, those without any left out.
  [[nodiscard]] static std::map<std::string, std::uint64_t> connections_of(const YAML::Node& row) {
    std::map<std::string, std::uint64_t> out;
    for (const auto& endpoint : row["endpoints"]) {
      const auto count = endpoint["traffic"]["connections"].as<std::uint64_t>();
      if (count != 0) out[endpoint["address"].as<std::string>()] = count;
    }
    return out;
  }

  // Waits until as many connections are counted, which may take as long as a reading is kept.
  [[nodiscard]] YAML::Node row_with(const std::string& name, const std::string& family,
                                    std::uint64_t connections) {
    const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds{10});
    for (;;) {
      const auto now = row(name, family);
      const auto count = now["traffic"]["connections"].as<std::uint64_t>(0);
      if (count >= connections || std::chrono::steady_clock::now() > deadline) return now;
    }
  }

  std::optional<DaemonLab> lab_;
};

}  // namespace netns
