// A client that connects to a service without end, while something is done to what forwards it.
#pragma once

#include "tests/netns/probe.hpp"
#include "tests/netns/topology.hpp"

#include <atomic>
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

}  // namespace netns
