// What it costs to know what this node should forward.
//
// Input: bench/synthetic_cluster.hpp. Unit: time per operation; counters: bytes of heap that the
// table keeps, per endpoint, the service's own share included.
#include "bench/synthetic_cluster.hpp"
#include "proxy/state/service_table.hpp"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <vector>

namespace {

using namespace proxy;

using bench::cluster;
using bench::kEndpointsPerService;
using bench::slice;

void full_snapshot(benchmark::State& state) {
  const auto services = static_cast<int>(state.range(0));
  std::size_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const auto before = mallinfo2().uordblks;
    auto records = cluster(services);
    auto table = std::make_unique<state::ServiceTable>(state::NodeIdentity{"node-0"});
    state.ResumeTiming();

    table->replace(std::move(records));

    state.PauseTiming();
    static_cast<void>(table->take_changes());
    records = {};
    bytes = mallinfo2().uordblks - before;
    table.reset();
    state.ResumeTiming();
  }
  state.counters["bytes/endpoint"] =
      static_cast<double>(bytes) / (static_cast<double>(services) * kEndpointsPerService);
}
BENCHMARK(full_snapshot)->Arg(1000)->Arg(10000)->Arg(30000)->Unit(benchmark::kMillisecond);

void one_slice_changed(benchmark::State& state) {
  const auto services = static_cast<int>(state.range(0));
  state::ServiceTable table{{"node-0"}};
  table.replace(cluster(services));
  static_cast<void>(table.take_changes());
  const std::vector<sources::Change> changes[] = {{records::Record{slice(services / 2, true)}},
                                                  {records::Record{slice(services / 2)}}};
  std::size_t turn = 0;
  for (auto _ : state) {
    table.change(changes[turn++ % 2]);
    benchmark::DoNotOptimize(table.take_changes());
  }
}
BENCHMARK(one_slice_changed)->Arg(1000)->Arg(10000)->Arg(30000)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
