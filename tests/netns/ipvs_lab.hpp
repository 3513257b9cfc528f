// What the ipvs mode left in the kernel of node-a, as ipvsadm and ip print it.
#pragma once

#include "tests/netns/daemon_lab.hpp"
#include "tests/netns/patience.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <set>
#include <string>

namespace netns {

// "-A -t 172.30.0.41:80 -s rr", "-a -t 172.30.0.41:80 -r 10.180.0.1:80 -m -w 1": one line each, the
// lab's own services left out.
[[nodiscard]] std::set<std::string> virtual_servers(const Party& node);
// Addresses on kube-ipvs0, likewise.
[[nodiscard]] std::set<std::string> vip_addresses(const Party& node);

class IpvsLab : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
  }
  // A lab whose daemon looks at the kernel every second; not started yet.
  void make(ProxySettings settings = usual_settings(), std::vector<std::string> flags = {});
  // That with the Service web and an endpoint on each of two nodes in force.
  void start_web(std::vector<std::string> flags = {});
  void expect_nothing_left();
  // The Service web: 172.30.0.41:80/TCP, node port 30001, an endpoint on each of two nodes.
  void apply_web(const std::string& more_of_spec = {}, const std::string& annotations = "{}");
  void apply_endpoints(const std::vector<std::string>& ips);

  [[nodiscard]] bool comes_true(const std::function<bool()>& condition,
                                std::chrono::seconds usual = std::chrono::seconds{10});
  [[nodiscard]] std::set<std::string> servers() { return virtual_servers(lab_->node()); }
  [[nodiscard]] bool has(const std::string& line) { return servers().contains(line); }
  [[nodiscard]] std::string said() { return lab_->daemon().process().output(); }
  std::string sh(const std::string& script) {
    return run_or_fail(lab_->node().net, {"sh", "-c", script});
  }

  std::optional<DaemonLab> lab_;
};

// Lines of virtual_servers().
inline const std::string kWebServer = "-A -t 172.30.0.41:80 -s rr";
[[nodiscard]] inline std::string web_real(const std::string& ip, int weight = 1) {
  return "-a -t 172.30.0.41:80 -r " + ip + ":80 -m -w " + std::to_string(weight);
}

inline const std::string kPodToWeb =
    "from: 10.180.0.100, to: 172.30.0.41, port: 80, protocol: TCP, "
    "expect: {endpoints: ['10.180.0.1:80', '10.180.1.1:80'], masquerade: false}";

}  // namespace netns
