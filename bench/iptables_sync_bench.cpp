// What it costs to write services into the kernel: viaduct's iptables mode beside the fastest
// existing writer, iptables-legacy-restore --noflush loading kube-proxy's shape of the same
// services. And what the kernel alone takes for one change, in viaduct's layout and in
// kube-proxy's.
//
//   iptables_sync_bench [SERVICES]     default 10000, bench/synthetic_cluster.hpp; needs root
//
// Each side runs in a process and a network namespace of its own. Times in ms: wall, and CPU in
// user space and in the kernel. First sync: from decoded records (the table computed) to the last
// acknowledgement. One change: one endpoint of one service away or back, median of 21.
#include "bench/cost.hpp"
#include "bench/iptables_writer.hpp"
#include "bench/kernel_commits.hpp"
#include "bench/kube_proxy_rules.hpp"
#include "bench/report.hpp"
#include "bench/synthetic_cluster.hpp"
#include "proxy/state/service_table.hpp"

#include <fmt/format.h>

#include <malloc.h>
#include <sys/resource.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace proxy;

constexpr int kChanges = 21;

using bench::Cost;
using bench::in_namespace;
using bench::measured;
using bench::memory;
using bench::report;

modes::netfilter::NetlinkKernel open_kernel() {
  auto kernel = modes::netfilter::NetlinkKernel::open();
  if (!kernel) bench::fail(kernel.error().text());
  return std::move(*kernel);
}

void bare_commits(const std::string& what, const std::string& key,
                  const modes::netfilter::Transaction& transaction) {
  auto kernel = open_kernel();
  std::vector<Cost> commits;
  for (int i = 0; i < kChanges; ++i) {
    commits.push_back(measured(RUSAGE_SELF, [&] { bench::commit(kernel, transaction); }));
  }
  report(what, key, bench::median(commits, &Cost::wall));
}

void ours(int services) {
  state::ServiceTable table{{"node-0"}};
  const auto decoded = measured(RUSAGE_SELF, [&] { table.replace(bench::cluster(services)); });
  static_cast<void>(table.take_changes());
  malloc_trim(0);
  report("viaduct: records to state", "viaduct.state", decoded);
  const auto before = memory("VmRSS");
  bench::IptablesWriter writer;
  modes::SyncReport first;
  report("viaduct: first sync", "viaduct.first_sync",
         measured(RUSAGE_SELF, [&] { first = writer.reconcile(table); }));
  fmt::print("  {} transactions; resident {:.0f} MB, of it {:.0f} MB before; peak {:.0f} MB\n",
             first.transactions, memory("VmRSS"), before, memory("VmHWM"));
  bench::figure("viaduct.peak_mb", memory("VmHWM"));
  std::vector<Cost> changes;
  for (int i = 0; i < kChanges; ++i) {
    table.change({records::Record{bench::slice(services / 2, i % 2 == 0)}});
    changes.push_back(measured(RUSAGE_SELF, [&] { writer.sync(table); }));
  }
  report("viaduct: one endpoint changed", "viaduct.change", bench::median(changes, &Cost::wall));
  bench::IptablesWriter restarted;
  modes::SyncReport again;
  report("viaduct: restart on a correct kernel", "viaduct.restart",
         measured(RUSAGE_SELF, [&] { again = restarted.reconcile(table); }));
  fmt::print("  {} transactions\n", again.transactions);
  bench::figure("viaduct.restart.transactions", static_cast<double>(again.transactions));
  // At last: it leaves the kernel as no state is.
  bare_commits("viaduct: the kernel's commit of a change, bare", "viaduct.bare_commit",
               bench::viaduct_change(services));
}

// kube-proxy's layout, its rules encoded as viaduct encodes its own.
void kube_proxy_layout(int services) {
  auto kernel = open_kernel();
  const auto transactions = bench::kube_proxy_layout(services);
  report("kube-proxy's layout over netlink: load", "kube_proxy_layout.first_sync",
         measured(RUSAGE_SELF, [&] {
           for (const auto& transaction : transactions) bench::commit(kernel, transaction);
         }));
  bare_commits("  its commit of one endpoint, bare", "kube_proxy_layout.bare_commit",
               bench::kube_proxy_change(services));
}

// ── the peer ─────────────────────────────────────────────────────────────────────────────────────

bool restore(const std::string& text) {
  return bench::feed("iptables-legacy-restore", "--noflush", text);
}

void peer(int services) {
  const auto text = bench::iptables_full_load(services);
  bool worked = false;
  const auto cost = measured(RUSAGE_CHILDREN, [&] { worked = restore(text); });
  report(worked ? "iptables-legacy-restore: first load"
                : "iptables-legacy-restore: first load FAILED after",
         worked ? "iptables_legacy_restore.first_sync" : "iptables_legacy_restore.failed", cost);
  if (!worked) return;
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto peak = static_cast<double>(used.ru_maxrss) / 1024;
  fmt::print("  peak {:.0f} MB\n", peak);
  bench::figure("iptables_legacy_restore.peak_mb", peak);
  std::vector<Cost> changes;
  for (int i = 0; i < 5; ++i) {
    const auto change =
        bench::iptables_one_change(services, bench::kEndpointsPerService - (i % 2 == 0 ? 1 : 0));
    changes.push_back(measured(RUSAGE_CHILDREN, [&] {
      if (!restore(change)) bench::fail("iptables-legacy-restore refused a change");
    }));
  }
  report("iptables-legacy-restore: one endpoint changed", "iptables_legacy_restore.change",
         bench::median(changes, &Cost::wall));
}

}  // namespace

int main(int argc, char** argv) {
  const int services = argc > 1 ? std::atoi(argv[1]) : 10000;
  fmt::print("{} services x {} endpoints{:<20} {:>9} {:>9} {:>9}\n", services,
             bench::kEndpointsPerService, "", "wall ms", "user ms", "kernel ms");
  in_namespace([&] { ours(services); });
  in_namespace([&] { kube_proxy_layout(services); });
  in_namespace([&] { peer(services); });
}
