// From a file written to a rule in the kernel, through the real daemon.
//
//   change_latency_bench [SERVICES [CHANGES]]   default 10000 and 31; needs root
//
// A folder has a manifest for every Service and EndpointSlice. One slice loses its last endpoint
// and gets it back, by turns. Time, in ms: from just before the file is written (and renamed into
// its place) to the kernel's notification that the commit is done. Merging of changes is off
// (--iptables-min-sync-period=0s).
#include "bench/report.hpp"
#include "bench/synthetic_cluster.hpp"
#include "bench/synthetic_manifests.hpp"
#include "tests/netns/daemon.hpp"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

// Tells of commits to a namespace's nf_tables.
class Commits {
 public:
  explicit Commits(const netns::NetworkNamespace& net) {
    const netns::Inside inside{net};
    fd_ = proxy::UniqueFd{
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)};
    const sockaddr_nl address{.nl_family = AF_NETLINK,
                              .nl_pad = 0,
                              .nl_pid = 0,
                              .nl_groups = 1U << (NFNLGRP_NFTABLES - 1)};
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      netns::fail_with_errno("listen to nf_tables");
    }
  }
  void forget() {
    while (::recv(fd_.get(), buffer_.data(), buffer_.size(), 0) >= 0) continue;
  }
  void wait() {
    pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 10'000) != 1) bench::fail("the change does not reach the kernel");
  }

 private:
  proxy::UniqueFd fd_;
  std::array<std::byte, 65536> buffer_{};
};

struct Folder {
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "viaduct-bench-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) netns::fail_with_errno("mkdtemp");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

std::vector<double> measure(int services, int changes) {
  using Clock = std::chrono::steady_clock;
  const Folder folder;
  const netns::Cluster cluster{folder.path / "manifests"};
  for (int i = 0; i < services; ++i) {
    cluster.apply(bench::service_manifest(i));
    cluster.apply(bench::slice_manifest(i));
  }
  const netns::Party node{"node-0", true};
  netns::Daemon daemon{
      node,
      cluster,
      {"--proxy-mode=iptables", "--hostname-override=node-0",
       "--cluster-cidr=" + bench::cluster_cidr().text(), "--iptables-min-sync-period=0s"}};
  daemon.wait_until_healthy(std::chrono::minutes{2});
  Commits commits{node.net};
  std::vector<double> times;
  for (int i = 0; i < changes; ++i) {
    const auto manifest = bench::slice_manifest(services / 2, i % 2 == 0);
    commits.forget();
    const auto start = Clock::now();
    cluster.apply(manifest);
    commits.wait();
    times.push_back(std::chrono::duration<double, std::milli>{Clock::now() - start}.count());
  }
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const int services = argc > 1 ? std::atoi(argv[1]) : 10000;
  const int changes = argc > 2 ? std::atoi(argv[2]) : 31;
  netns::take_private_run();
  auto times = measure(services, changes);
  std::ranges::sort(times);
  fmt::print(
      "{} services x {} endpoints, file written to rule in the kernel, ms: median {:.1f}, "
      "least {:.1f}, most {:.1f}\n",
      services, bench::kEndpointsPerService, bench::median(times), times.front(), times.back());
  bench::figure("viaduct.median_ms", bench::median(times));
  bench::figure("viaduct.least_ms", times.front());
  bench::figure("viaduct.most_ms", times.back());
}
