// A client that connects to a service without end, while something is done to what forwards it.
#pragma once

#include "tests/netns/patience.hpp"
#include "tests/netns/probe.hpp"
#include "tests/netns/topology.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace netns {

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

// Those of the service of web_lab.hpp: from a pod of each family, and from outside to its node
// port.
class RestlessClients {
 public:
  explicit RestlessClients(Topology& topology)
      : clients_{RestlessClient{topology.owner(address("10.180.0.100")), "10.180.0.100",
                                "172.30.0.41:80"},
                 RestlessClient{topology.owner(address("fd00:10:180::100")), "fd00:10:180::100",
                                "[fd00:172:30::41]:80"},
                 RestlessClient{topology.owner(address("203.0.113.2")), "203.0.113.2",
                                "192.168.0.2:30001"}} {
    go_on();
  }

  // Until each has connected some more times.
  void go_on() {
    constexpr int kEnoughConnections = 100;
    const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds{10});
    for (auto& client : clients_) {
      const auto enough = client.connections() + kEnoughConnections / slowness();
      while (client.connections() < enough && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
      EXPECT_GE(client.connections(), enough);
    }
  }
  // Ends them.
  void expect_that_nobody_noticed() {
    for (auto& client : clients_) {
      client.finish();
      EXPECT_EQ(client.failures(), 0)
          << "of " << client.connections() << ": " << client.first_failure();
    }
  }

 private:
  std::array<RestlessClient, 3> clients_;
};

}  // namespace netns
