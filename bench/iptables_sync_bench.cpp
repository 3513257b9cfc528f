// What it costs to write services into the kernel: viaduct's iptables mode beside the fastest
// existing writer, iptables-legacy-restore --noflush loading kube-proxy's shape of the same
// services.
//
//   iptables_sync_bench [SERVICES]     default 10000, bench/synthetic_cluster.hpp; needs root
//
// Each side runs in a process and a network namespace of its own. Times in ms: wall, and CPU in
// user space and in the kernel. First sync: from decoded records (the table computed) to the last
// acknowledgement. One change: one endpoint of one service away or back, median of 21.
#include "bench/synthetic_cluster.hpp"
#include "modes/iptables/iptables_mode.hpp"
#include "proxy/state/service_table.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace proxy;

struct Cost {
  double wall = 0, user = 0, kernel = 0;  // ms
};

double milliseconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
}

Cost difference(const rusage& before, const rusage& after, double wall) {
  return {wall, milliseconds(after.ru_utime) - milliseconds(before.ru_utime),
          milliseconds(after.ru_stime) - milliseconds(before.ru_stime)};
}

Cost measured(int who, const std::function<void()>& work) {
  rusage before{}, after{};
  getrusage(who, &before);
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - start;
  getrusage(who, &after);
  return difference(before, after, wall.count());
}

Cost median(std::vector<Cost> costs) {
  std::ranges::sort(costs, {}, &Cost::wall);
  return costs[costs.size() / 2];
}

void report(const std::string& what, const Cost& cost) {
  fmt::print("{:<46} {:>9.1f} {:>9.2f} {:>9.1f}\n", what, cost.wall, cost.user, cost.kernel);
  std::fflush(stdout);
}

// A line of /proc/self/status, such as "VmHWM", in MB.
double memory(const std::string& key) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":"))
      return std::strtod(line.c_str() + key.size() + 1, nullptr) / 1024;
  }
  return 0;
}

[[noreturn]] void fail(const std::string& text) {
  fmt::print(stderr, "iptables_sync_bench: {}\n", text);
  std::exit(1);
}

// Runs `work` in a child with a network namespace of its own.
void in_namespace(const std::function<void()>& work) {
  std::fflush(stdout);
  const auto pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    if (unshare(CLONE_NEWNET) != 0) fail("a network namespace needs root");
    work();
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) fail("a side did not finish");
}

class Daemon {
 public:
  Daemon() {
    modes::iptables::Settings settings;
    settings.local = modes::iptables::LocalByPrefix{{*parse_prefix("10.180.0.0/12")}};
    auto mode =
        modes::iptables::make_iptables_mode(io_.get_executor(), settings, [](const auto&) {});
    if (!mode) fail(mode.error().text());
    mode_ = std::move(*mode);
  }
  modes::SyncReport reconcile(const state::ServiceTable& table) {
    return run(mode_->reconcile(table));
  }
  modes::SyncReport sync(state::ServiceTable& table) {
    const auto changed = table.take_changes();
    return run(mode_->sync(table, changed));
  }

 private:
  modes::SyncReport run(modes::Awaitable<modes::Result<modes::SyncReport>> work) {
    auto done = boost::asio::co_spawn(io_, std::move(work), boost::asio::use_future);
    io_.restart();
    io_.run();
    auto report = done.get();
    if (!report) fail(report.error().text());
    return *report;
  }

  boost::asio::io_context io_;
  std::unique_ptr<modes::Mode> mode_;
};

void ours(int services) {
  state::ServiceTable table{{"node-0"}};
  const auto decoded = measured(RUSAGE_SELF, [&] { table.replace(bench::cluster(services)); });
  static_cast<void>(table.take_changes());
  malloc_trim(0);
  report("viaduct: records to state", decoded);
  const auto before = memory("VmRSS");
  Daemon daemon;
  modes::SyncReport first;
  report("viaduct: first sync", measured(RUSAGE_SELF, [&] { first = daemon.reconcile(table); }));
  fmt::print("  {} transactions; resident {:.0f} MB, of it {:.0f} MB before; peak {:.0f} MB\n",
             first.transactions, memory("VmRSS"), before, memory("VmHWM"));
  std::vector<Cost> changes;
  for (int i = 0; i < 21; ++i) {
    table.change({records::Record{bench::slice(services / 2, i % 2 == 0)}});
    changes.push_back(measured(RUSAGE_SELF, [&] { daemon.sync(table); }));
  }
  report("viaduct: one endpoint changed", median(changes));
  Daemon restarted;
  modes::SyncReport again;
  report("viaduct: restart on a correct kernel",
         measured(RUSAGE_SELF, [&] { again = restarted.reconcile(table); }));
  fmt::print("  {} transactions\n", again.transactions);
}

// ── the peer ─────────────────────────────────────────────────────────────────────────────────────

std::string service_chain(int i) {
  return fmt::format("KUBE-SVC-{:016X}", i);
}
std::string endpoint_chain(int i, int e) {
  return fmt::format("KUBE-SEP-{:016X}", i * bench::kEndpointsPerService + e);
}

void service_rules(std::string& out, int i, int endpoints) {
  const auto name = fmt::format("default/service-{}:http", i);
  const auto vip = bench::vip(i).text();
  out += fmt::format(
      "-A {} ! -s 10.176.0.0/12 -d {}/32 -p tcp -m comment --comment \"{} cluster IP\" -m tcp "
      "--dport 80 -j KUBE-MARK-MASQ\n",
      service_chain(i), vip, name);
  for (int e = 0; e < endpoints; ++e) {
    const auto ip = bench::endpoint(i, e).text();
    out += fmt::format("-A {}", service_chain(i));
    if (e + 1 < endpoints)
      out +=
          fmt::format(" -m statistic --mode random --probability {:.10f}", 1.0 / (endpoints - e));
    out += fmt::format(
        " -j {}\n-A {} -s {}/32 -j KUBE-MARK-MASQ\n-A {} -p tcp -m tcp -j DNAT --to-destination "
        "{}:8080\n",
        endpoint_chain(i, e), endpoint_chain(i, e), ip, endpoint_chain(i, e), ip);
  }
}

void chains(std::string& out, int i) {
  out += fmt::format(":{} - [0:0]\n", service_chain(i));
  for (int e = 0; e < bench::kEndpointsPerService; ++e)
    out += fmt::format(":{} - [0:0]\n", endpoint_chain(i, e));
}

// kube-proxy rewrites KUBE-SERVICES whole at every sync, and the chains of what changed.
void dispatch(std::string& out, int services) {
  for (int i = 0; i < services; ++i) {
    out += fmt::format(
        "-A KUBE-SERVICES -d {}/32 -p tcp -m comment --comment \"default/service-{}:http cluster "
        "IP\" -m tcp --dport 80 -j {}\n",
        bench::vip(i).text(), i, service_chain(i));
  }
}

std::string full_load(int services) {
  std::string out = "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n";
  for (int i = 0; i < services; ++i) chains(out, i);
  out +=
      "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j "
      "KUBE-SERVICES\n";
  dispatch(out, services);
  for (int i = 0; i < services; ++i) service_rules(out, i, bench::kEndpointsPerService);
  return out + "COMMIT\n";
}

std::string one_change(int services, int endpoints) {
  std::string out = "*nat\n:KUBE-SERVICES - [0:0]\n";
  chains(out, services / 2);
  dispatch(out, services);
  service_rules(out, services / 2, endpoints);
  return out + "COMMIT\n";
}

bool restore(const std::string& text) {
  const int fd = memfd_create("rules", 0);
  if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    fail("memfd");
  const auto pid = fork();
  if (pid == 0) {
    lseek(fd, 0, SEEK_SET);
    dup2(fd, STDIN_FILENO);
    execlp("iptables-legacy-restore", "iptables-legacy-restore", "--noflush",
           static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  close(fd);
  return status == 0;
}

void peer(int services) {
  const auto text = full_load(services);
  bool worked = false;
  const auto cost = measured(RUSAGE_CHILDREN, [&] { worked = restore(text); });
  report(worked ? "iptables-legacy-restore: first load"
                : "iptables-legacy-restore: first load FAILED after",
         cost);
  if (!worked) return;
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  fmt::print("  peak {:.0f} MB\n", static_cast<double>(used.ru_maxrss) / 1024);
  std::vector<Cost> changes;
  for (int i = 0; i < 5; ++i) {
    const auto change = one_change(services, bench::kEndpointsPerService - (i % 2 == 0 ? 1 : 0));
    changes.push_back(measured(RUSAGE_CHILDREN, [&] {
      if (!restore(change)) fail("iptables-legacy-restore refused a change");
    }));
  }
  report("iptables-legacy-restore: one endpoint changed", median(changes));
}

}  // namespace

int main(int argc, char** argv) {
  const int services = argc > 1 ? std::atoi(argv[1]) : 10000;
  fmt::print("{} services x {} endpoints{:<20} {:>9} {:>9} {:>9}\n", services,
             bench::kEndpointsPerService, "", "wall ms", "user ms", "kernel ms");
  in_namespace([&] { ours(services); });
  in_namespace([&] { peer(services); });
}
