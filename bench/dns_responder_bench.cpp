// What one query costs in user space: bytes in, bytes out, without the system calls around it.
// Input: 10,000 services with a cluster IP and one port in 50 namespaces; questions in random
// order. Unit: time a query. Build: release.
#include "dns/message.hpp"
#include "dns/responder.hpp"
#include "dns/zone_builder.hpp"

#include <benchmark/benchmark.h>

#include <random>
#include <string>

namespace {

using namespace dns;

constexpr int kServices = 10'000;

std::string service_name(int i) {
  return "svc" + std::to_string(i) + ".ns" + std::to_string(i % 50) + ".svc.cluster.local";
}

std::vector<proxy::records::Record> services() {
  std::vector<proxy::records::Record> all;
  for (int i = 0; i < kServices; ++i) {
    proxy::records::Service service;
    service.name = {"ns" + std::to_string(i % 50), "svc" + std::to_string(i)};
    service.cluster_ips = {IpAddress::v4(0x0a600000u + static_cast<std::uint32_t>(i))};
    service.ports.push_back({"http", Protocol::tcp, {80}, {}, proxy::Port{80}});
    all.emplace_back(std::move(service));
  }
  return all;
}

struct Bench {
  Bench() : builder{options(), [] { return 1u; }} {
    builder.replace(services());
    zone = builder.snapshot();
  }
  static ZoneOptions options() {
    ZoneOptions made;
    made.domain = *parse_name("cluster.local");
    made.hash_seed = 42;
    return made;
  }
  ZoneBuilder builder;
  std::unique_ptr<const Zone> zone;
  Responder responder{{}};
};

Bench& bench() {
  static Bench instance;
  return instance;
}

void ask(benchmark::State& state, const char* prefix, Type type) {
  auto& b = bench();
  std::mt19937 random{1};
  std::vector<std::vector<std::uint8_t>> queries;
  for (int i = 0; i < 4096; ++i) {
    const auto name = prefix + service_name(static_cast<int>(random() % kServices));
    queries.push_back(make_query(1, *parse_name(name), type, 1232));
  }
  Exchange exchange;
  std::vector<std::uint8_t> reply(kMaxUdpSize);
  const Asking asking{.client = IpAddress::loopback(Family::v4)};
  std::size_t next = 0;
  for (auto _ : state) {
    exchange.autopath_step = 0;
    const auto outcome =
        b.responder.respond(*b.zone, queries[next++ % queries.size()], asking, exchange, reply);
    benchmark::DoNotOptimize(outcome.size);
  }
  state.SetItemsProcessed(state.iterations());
}

void an_address(benchmark::State& state) {
  ask(state, "", Type::a);
}
void a_service_record(benchmark::State& state) {
  ask(state, "_http._tcp.", Type::srv);
}
void a_denial(benchmark::State& state) {
  ask(state, "x.", Type::a);
}
BENCHMARK(an_address);
BENCHMARK(a_service_record);
BENCHMARK(a_denial);

// One endpoint of a headless service comes or goes, and the new version of the zone is there.
void an_endpoint_change(benchmark::State& state) {
  ZoneBuilder builder{Bench::options(), [] { return 1u; }};
  builder.replace(services());
  proxy::records::Service service;
  service.name = {"ns0", "headless"};
  service.headless = true;
  std::vector<proxy::sources::Change> changes;
  changes.emplace_back(proxy::records::Record{service});
  builder.change(changes);
  std::uint32_t address = 0x0b000000;
  std::unique_ptr<const Zone> before = builder.snapshot();
  for (auto _ : state) {
    proxy::records::EndpointSlice slice;
    slice.name = {"ns0", "headless-1"};
    slice.service = "headless";
    for (std::uint32_t i = 0; i < 100; ++i) {
      proxy::records::SliceEndpoint endpoint;
      endpoint.address = IpAddress::v4(i == 0 ? ++address : 0x0c000000 + i);
      slice.endpoints.push_back(std::move(endpoint));
    }
    changes.clear();
    changes.emplace_back(proxy::records::Record{std::move(slice)});
    builder.change(changes);
    before = builder.snapshot();
  }
}
BENCHMARK(an_endpoint_change);

void a_full_list(benchmark::State& state) {
  const auto all = services();
  for (auto _ : state) {
    ZoneBuilder builder{Bench::options(), [] { return 1u; }};
    builder.replace(all);
    benchmark::DoNotOptimize(builder.snapshot());
  }
}
BENCHMARK(a_full_list)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
