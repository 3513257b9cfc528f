// What it costs to know what this node should forward.
//
// Input: N services with one TCP port and one EndpointSlice of 10 ready endpoints each, one in ten
// endpoints on this node. Unit: time per operation; counters: bytes of heap that the table keeps,
// per endpoint, the service's own share included.
#include "proxy/state/service_table.hpp"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <vector>

namespace {

using namespace proxy;

constexpr int kEndpointsPerService = 10;

std::string name_of(int service) {
  return "service-" + std::to_string(service);
}

records::Service service(int number) {
  records::Service service;
  service.name = {"default", name_of(number)};
  service.cluster_ips = {IpAddress::v4(0x0a600000U + static_cast<std::uint32_t>(number))};
  service.ip_families = {Family::v4};
  service.ports.resize(1);
  service.ports[0].name = "http";
  service.ports[0].port = Port{80};
  return service;
}

records::EndpointSlice slice(int number, bool shrunk = false) {
  static const auto kNodes = [] {
    std::vector<records::SharedText> nodes;
    for (int node = 0; node < 10; ++node) {
      nodes.push_back(std::make_shared<const std::string>("node-" + std::to_string(node)));
    }
    return nodes;
  }();
  records::EndpointSlice slice;
  slice.name = {"default", name_of(number) + "-abcde"};
  slice.service = name_of(number);
  slice.ports = {{"http", Protocol::tcp, Port{8080}}};
  slice.endpoints.resize(kEndpointsPerService - (shrunk ? 1 : 0));
  for (std::size_t i = 0; i < slice.endpoints.size(); ++i) {
    const auto serial =
        static_cast<std::uint32_t>(number * kEndpointsPerService) + static_cast<std::uint32_t>(i);
    slice.endpoints[i].address = IpAddress::v4(0x0ab40000U + serial);
    slice.endpoints[i].node = kNodes[i % kNodes.size()];
  }
  return slice;
}

std::vector<records::Record> cluster(int services) {
  std::vector<records::Record> all;
  all.reserve(2 * static_cast<std::size_t>(services));
  for (int i = 0; i < services; ++i) {
    all.emplace_back(service(i));
    all.emplace_back(slice(i));
  }
  return all;
}

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
BENCHMARK(one_slice_changed)->Arg(1000)->Arg(30000)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
