// What it costs to write services into the kernel's IPVS: viaduct's ipvs mode beside the fastest
// existing writer, ipvsadm --restore of the same virtual and real servers.
//
//   ipvs_sync_bench [SERVICES]     default 10000, bench/synthetic_cluster.hpp; needs root and IPVS
//
// Each side runs in a process and a network namespace of its own. Times in ms: wall, and CPU in
// user space and in the kernel. First sync: from decoded records (the table computed) to the last
// acknowledgement; it writes addresses on kube-ipvs0 and the guard in nf_tables too, which ipvsadm
// does not, so that its part of the work is also shown alone. One change: one endpoint of one
// service away, and back, medians of 100 each, beside the netlink calls that it cannot do without:
// weight 0, a look at the connections and the removal, or one addition. For ipvsadm a -d or -a, a
// process each, medians of 11.
#include "bench/cost.hpp"
#include "bench/mode_writer.hpp"
#include "bench/report.hpp"
#include "bench/synthetic_cluster.hpp"
#include "modes/ipvs/ipvs_mode.hpp"
#include "modes/ipvs/ipvs_netlink.hpp"
#include "proxy/state/service_table.hpp"

#include <fmt/format.h>

#include <malloc.h>
#include <sys/resource.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace proxy;
using bench::Cost;
using bench::measured;
using bench::memory;
using bench::report;

constexpr int kChanges = 100;
constexpr int kPeersChanges = 11;

struct Changes {
  std::vector<Cost> away, back;
};
void report_changes(const std::string& what, const std::string& key, const Changes& changes) {
  report(what + " away", key + ".change", bench::median(changes.away, &Cost::wall));
  report(what + " back", key + ".back", bench::median(changes.back, &Cost::wall));
}

class IpvsWriter : public bench::ModeWriter {
 public:
  IpvsWriter() {
    modes::ipvs::Settings settings;
    settings.local = modes::iptables::LocalByPrefix{{bench::cluster_cidr()}};
    use(modes::ipvs::make_ipvs_mode(executor(), settings,
                                    [](const auto& text) { fmt::print("  {}\n", text); }));
  }
};

void ours(int services) {
  state::ServiceTable table{{"node-0"}};
  table.replace(bench::cluster(services));
  static_cast<void>(table.take_changes());
  malloc_trim(0);
  const auto before = memory("VmRSS");
  IpvsWriter writer;
  modes::SyncReport first;
  report("viaduct: first sync", "viaduct.first_sync",
         measured(RUSAGE_SELF, [&] { first = writer.reconcile(table); }));
  fmt::print("  {} operations; resident {:.0f} MB, of it {:.0f} MB before; peak {:.0f} MB\n",
             first.operations, memory("VmRSS"), before, memory("VmHWM"));
  bench::figure("viaduct.peak_mb", memory("VmHWM"));
  Changes changes;
  for (int i = 0; i < 2 * kChanges; ++i) {
    const bool shrinks = i % 2 == 0;
    table.change({records::Record{bench::slice(services / 2, shrinks)}});
    (shrinks ? changes.away : changes.back).push_back(measured(RUSAGE_SELF, [&] {
      writer.sync(table);
    }));
  }
  report_changes("viaduct: one endpoint", "viaduct", changes);
  modes::SyncReport same;
  report("viaduct: reconcile, nothing to do", "viaduct.reconcile",
         measured(RUSAGE_SELF, [&] { same = writer.reconcile(table); }));
  IpvsWriter restarted;
  modes::SyncReport again;
  report("viaduct: restart on a correct kernel", "viaduct.restart",
         measured(RUSAGE_SELF, [&] { again = restarted.reconcile(table); }));
  fmt::print("  {} operations, of the guard\n", again.operations);
}

modes::ipvs::VirtualServers all_servers(int services) {
  modes::ipvs::VirtualServers out;
  for (int i = 0; i < services; ++i) {
    auto& server = out[{bench::vip(i), bench::kServicePort, Protocol::tcp}];
    for (int j = 0; j < bench::kEndpointsPerService; ++j) {
      server.real_servers.push_back({{bench::endpoint(i, j), bench::kEndpointPort}});
    }
    std::ranges::sort(server.real_servers, {}, &modes::ipvs::RealServer::endpoint);
  }
  return out;
}

void carry_out(modes::ipvs::IpvsNetlink& ipvs, std::span<const modes::ipvs::Step> steps) {
  const auto refused = ipvs.apply(steps);
  if (!refused) bench::fail(refused.error().text());
  if (!refused->empty()) bench::fail(refused->front().error.text());
}

// The messages to IPVS alone: what no writer can do without.
void bare_messages(int services) {
  auto ipvs = modes::ipvs::IpvsNetlink::open();
  if (!ipvs) bench::fail(ipvs.error().text());
  const auto servers = all_servers(services);
  report("  of it IPVS' part: virtual and real servers", "bare.first_sync",
         measured(RUSAGE_SELF, [&] { carry_out(**ipvs, modes::ipvs::plan({}, servers)); }));
  const auto& [key, server] = *servers.begin();
  const auto& endpoint = server.real_servers.front().endpoint;
  const std::vector<modes::ipvs::Step> weight_0{modes::ipvs::DrainRealServer{key, endpoint}};
  const std::vector<modes::ipvs::Step> removal{modes::ipvs::RemoveRealServer{key, endpoint}};
  const std::vector<modes::ipvs::Step> addition{modes::ipvs::AddRealServer{key, endpoint}};
  Changes changes;
  for (int i = 0; i < kChanges; ++i) {
    changes.away.push_back(measured(RUSAGE_SELF, [&] {
      carry_out(**ipvs, weight_0);
      if (!(*ipvs)->real_servers(key)) bench::fail("list real servers");
      carry_out(**ipvs, removal);
    }));
    changes.back.push_back(measured(RUSAGE_SELF, [&] { carry_out(**ipvs, addition); }));
  }
  report_changes("  its netlink calls alone:", "bare", changes);
}

// ── the peer ─────────────────────────────────────────────────────────────────────────────────────

std::string line(const char* command, int service, int number) {
  return fmt::format("{} -t {}:{} -r {}:{}", command, bench::vip(service).text(),
                     bench::kServicePort.value, bench::endpoint(service, number).text(),
                     bench::kEndpointPort.value);
}

void peer(int services) {
  std::string text;
  for (int i = 0; i < services; ++i) {
    text += fmt::format("-A -t {}:{} -s rr\n", bench::vip(i).text(), bench::kServicePort.value);
    for (int j = 0; j < bench::kEndpointsPerService; ++j) text += line("-a", i, j) + " -m -w 1\n";
  }
  report("ipvsadm --restore: first load", "ipvsadm.first_sync", measured(RUSAGE_CHILDREN, [&] {
           if (!bench::feed("ipvsadm", "--restore", text)) bench::fail("ipvsadm --restore");
         }));
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto peak = static_cast<double>(used.ru_maxrss) / 1024;
  fmt::print("  peak {:.0f} MB\n", peak);
  bench::figure("ipvsadm.peak_mb", peak);
  Changes changes;
  for (int i = 0; i < 2 * kPeersChanges; ++i) {
    const bool shrinks = i % 2 == 0;
    const auto change =
        shrinks ? line("-d", services / 2, 0) : line("-a", services / 2, 0) + " -m -w 1";
    (shrinks ? changes.away : changes.back).push_back(measured(RUSAGE_CHILDREN, [&] {
      if (!bench::feed("ipvsadm", "--restore", change + "\n")) bench::fail("ipvsadm: " + change);
    }));
  }
  report_changes("ipvsadm --restore: one endpoint", "ipvsadm", changes);
}

}  // namespace

int main(int argc, char** argv) {
  const int services = argc > 1 ? std::atoi(argv[1]) : 10000;
  fmt::print("{} services x {} endpoints{:<20} {:>9} {:>9} {:>9}\n", services,
             bench::kEndpointsPerService, "", "wall ms", "user ms", "kernel ms");
  bench::in_namespace([&] { ours(services); });
  bench::in_namespace([&] { bare_messages(services); });
  bench::in_namespace([&] { peer(services); });
}
