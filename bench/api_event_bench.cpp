// The whole way of a change: from an event of the API server to a rule in the kernel, through the
// real daemon in a network namespace of its own. Needs root.
//
//   api_event_bench latency [SERVICES] [CHANGES]    from the event to nf_tables' next generation
//   api_event_bench soak [SECONDS] [SERVICES]       100 endpoint changes a second; memory over time
//
// Input: SERVICES (1,000) services with an EndpointSlice of 10 endpoints each, from the tests' fake
// API server over TLS. Unit: milliseconds, and kB of the daemon's resident memory.
#include "bench/api_objects.hpp"
#include "bench/report.hpp"
#include "tests/fakes/api_server/api_server.hpp"
#include "tests/netns/nf_tables_generation.hpp"
#include "tests/netns/process.hpp"

#include <fmt/format.h>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// A node with a daemon that follows a fake API server.
class Node {
 public:
  explicit Node(int services)
      : net_{true}, server_{{.prepare_thread = [this] { ::setns(net_.fd(), CLONE_NEWNET); }}} {
    server_.put("nodes", "node-0",
                R"({"metadata":{"name":"node-0"},"status":{"addresses":)"
                R"([{"type":"InternalIP","address":"127.0.0.1"}]}})");
    for (int i = 0; i < services; ++i) {
      server_.put("services", key(i), bench::service_json(i));
      server_.put("endpointslices", key(i) + "-abcde", bench::slice_json(i));
    }
    std::filesystem::create_directories(folder_);
    std::ofstream{folder_ + "/kubeconfig"} << server_.kubeconfig();
    daemon_.emplace(
        net_, std::vector<std::string>{VIADUCT_DAEMON, "run", "--proxy-mode=iptables",
                                       "--hostname-override=node-0", "--cluster-cidr=10.180.0.0/16",
                                       "--kubeconfig=" + folder_ + "/kubeconfig",
                                       "--state-file=" + folder_ + "/state",
                                       "--healthz-bind-address=", "--metrics-port=0",
                                       "--admin-socket=" + folder_ + "/admin.sock"});
    while (daemon_->output().find("service ports are in force") == std::string::npos) {
      if (daemon_->wait(milliseconds{10})) {
        fmt::print(stderr, "the daemon ended:\n{}", daemon_->output());
        std::exit(1);
      }
    }
  }
  ~Node() {
    daemon_->signal(SIGTERM);
    daemon_->wait(milliseconds{10'000});
    std::filesystem::remove_all(folder_);
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  static std::string key(int number) { return "default/service-" + std::to_string(number); }
  [[nodiscard]] std::uint32_t generation() const { return netns::nf_tables_generation(net_); }
  [[nodiscard]] fakes::ApiServer& server() { return server_; }
  [[nodiscard]] long resident_kilobytes() const {
    std::ifstream status{fmt::format("/proc/{}/status", daemon_->pid())};
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    return 0;
  }

 private:
  netns::NetworkNamespace net_;
  fakes::ApiServer server_;
  std::string folder_ = "/tmp/viaduct-api-bench-" + std::to_string(::getpid());
  std::optional<netns::Process> daemon_;
};

void latency(int services, int changes) {
  Node node{services};
  std::vector<double> times;
  for (int i = 0; i < changes; ++i) {
    // A new service each time; its endpoints are there already.
    const int number = services + i;
    node.server().put("endpointslices", Node::key(number) + "-abcde", bench::slice_json(number));
    std::this_thread::sleep_for(milliseconds{100});  // nothing of what was before is under way
    const auto before = node.generation();
    const auto begin = Clock::now();
    node.server().put("services", Node::key(number), bench::service_json(number));
    while (node.generation() == before) {
    }
    times.push_back(milliseconds_since(begin));
  }
  std::ranges::sort(times);
  const auto at = [&](double part) {
    return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
  };
  fmt::print(
      "{} services: event to rule, {} changes: median {:.1f} ms, 99% {:.1f} ms, worst {:.1f} ms\n",
      services, changes, at(0.5), at(0.99), times.back());
  bench::figure("event.p50_ms", at(0.5));
  bench::figure("event.p99_ms", at(0.99));
  bench::figure("event.worst_ms", times.back());
}

void soak(int seconds, int services) {
  constexpr int kChangesASecond = 100;
  Node node{services};
  fmt::print("{:>6} {:>9} {:>10}\n", "s", "changes", "RSS kB");
  const auto begin = Clock::now();
  int changes = 0;
  for (int second = 0; second < seconds; ++second) {
    for (int i = 0; i < kChangesASecond; ++i, ++changes) {
      const int number = changes % services;
      node.server().put("endpointslices", Node::key(number) + "-abcde",
                        bench::slice_json(number, 1 + changes / services));
      std::this_thread::sleep_until(begin + milliseconds{10 * (changes + 1)});
    }
    if (second % 20 == 0 || second + 1 == seconds) {
      const auto kilobytes = static_cast<double>(node.resident_kilobytes());
      fmt::print("{:6} {:9} {:10}\n", second + 1, changes, kilobytes);
      bench::figure(second == 0 ? "soak.first_mb" : "soak.last_mb", kilobytes / 1024);
      bench::figure("soak.changes", changes);
      std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto number = [&](std::size_t at, int standard) {
    return words.size() > at ? std::atoi(words[at].c_str()) : standard;
  };
  if (const auto why = netns::why_no_namespaces(); !why.empty()) {
    fmt::print(stderr, "api_event_bench: {}\n", why);
    return 1;
  }
  if (!words.empty() && words[0] == "latency") {
    latency(number(1, 1000), number(2, 50));
  } else if (!words.empty() && words[0] == "soak") {
    soak(number(1, 300), number(2, 1000));
  } else {
    fmt::print(stderr, "usage: api_event_bench latency|soak …\n");
    return 2;
  }
  return 0;
}
