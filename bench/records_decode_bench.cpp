// What it costs to turn manifests into records.
//
// Input: N services with one port and an EndpointSlice of 10 endpoints each, as `kubectl get -o
// yaml` prints them without status of no interest; in YAML one document per object, in JSON one
// List. Unit: bytes of the text per second; counters: bytes of heap that stay, per endpoint.
#include "proxy/records/decode.hpp"
#include "proxy/records/yaml_to_json.hpp"
#include "proxy/sources/manifests/manifests.hpp"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <string>

namespace {

using namespace proxy;

constexpr int kEndpointsPerService = 10;

std::string ip(std::uint32_t host_order) {
  return IpAddress::v4(host_order).text();
}

std::string service_yaml(int number, int generation = 0) {
  const auto name = "service-" + std::to_string(number);
  return "apiVersion: v1\nkind: Service\nmetadata:\n  name: " + name +
         "\n  namespace: default\n  labels:\n    app: " + name + "\n    generation: \"" +
         std::to_string(generation) + "\"\nspec:\n  type: ClusterIP\n  clusterIP: " +
         ip(0x0a600000U + static_cast<std::uint32_t>(number)) + "\n  clusterIPs:\n  - " +
         ip(0x0a600000U + static_cast<std::uint32_t>(number)) +
         "\n  ipFamilies:\n  - IPv4\n  ipFamilyPolicy: SingleStack\n  internalTrafficPolicy: "
         "Cluster\n  selector:\n    app: " +
         name +
         "\n  sessionAffinity: None\n  ports:\n  - name: http\n    port: 80\n    protocol: TCP\n"
         "    targetPort: 8080\n";
}

std::string slice_yaml(int number) {
  const auto name = "service-" + std::to_string(number);
  std::string text =
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: " + name +
      "-abcde\n  namespace: default\n  labels:\n    kubernetes.io/service-name: " + name +
      "\naddressType: IPv4\nports:\n- name: http\n  port: 8080\n  protocol: TCP\nendpoints:\n";
  for (int i = 0; i < kEndpointsPerService; ++i) {
    const auto serial = static_cast<std::uint32_t>(number * kEndpointsPerService + i);
    text += "- addresses:\n  - " + ip(0x0a800000U + serial) +
            "\n  conditions:\n    ready: true\n    serving: true\n    terminating: false\n"
            "  nodeName: node-" +
            std::to_string(serial % 100) + "\n  targetRef:\n    kind: Pod\n    name: " + name +
            "-" + std::to_string(i) + "\n    namespace: default\n";
  }
  return text;
}

// `changed`: the service of which the text is another one than in generation 0.
std::string yaml_of(int services, int changed = -1, int generation = 0) {
  std::string text;
  for (int i = 0; i < services; ++i) {
    text += service_yaml(i, i == changed ? generation : 0) + "---\n" + slice_yaml(i) + "---\n";
  }
  return text;
}

std::string json_of(int services) {
  std::string text = R"({"apiVersion":"v1","kind":"List","items":[)";
  const auto documents = records::yaml_to_json(yaml_of(services));
  for (const auto& document : *documents) text += document + ",";
  text.back() = ']';
  return text + "}";
}

void count_bytes(benchmark::State& state, std::size_t bytes_per_iteration) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes_per_iteration) *
                          static_cast<std::int64_t>(state.iterations()));
  state.counters["text_bytes"] = static_cast<double>(bytes_per_iteration);
}

void decode_json(benchmark::State& state) {
  const auto json = json_of(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    records::Decoder decoder;
    std::size_t good = 0;
    decoder.decode(json, [&](const records::Outcome& outcome) {
      good += std::holds_alternative<records::Decoded>(outcome);
    });
    if (good != static_cast<std::size_t>(2 * state.range(0))) state.SkipWithError("not decoded");
  }
  count_bytes(state, json.size());
}
BENCHMARK(decode_json)->Arg(10'000)->Unit(benchmark::kMillisecond);

void convert_yaml(benchmark::State& state) {
  const auto yaml = yaml_of(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    const auto documents = records::yaml_to_json(yaml);
    if (!documents) state.SkipWithError("not converted");
  }
  count_bytes(state, yaml.size());
}
BENCHMARK(convert_yaml)->Arg(1'000)->Unit(benchmark::kMillisecond);

// A file that is new: conversion, decoding, catalogue.
void load_file(benchmark::State& state, std::string (*text_of)(int)) {
  const auto text = text_of(static_cast<int>(state.range(0)));
  double kept = 0;
  for (auto _ : state) {
    const auto before = mallinfo2().uordblks;
    sources::manifests::Manifests manifests;
    manifests.update("all", text);
    auto changes = manifests.take_changes();
    if (changes.size() != static_cast<std::size_t>(2 * state.range(0))) {
      state.SkipWithError("not loaded");
    }
    std::vector<sources::Change>{}.swap(changes);
    kept = static_cast<double>(mallinfo2().uordblks - before);
  }
  count_bytes(state, text.size());
  state.counters["heap_per_endpoint"] =
      kept / static_cast<double>(state.range(0) * kEndpointsPerService);
}
void load_yaml_file(benchmark::State& state) {
  load_file(state, [](int services) { return yaml_of(services); });
}
BENCHMARK(load_yaml_file)->Arg(10'000)->Unit(benchmark::kMillisecond);
void load_json_file(benchmark::State& state) {
  load_file(state, json_of);
}
BENCHMARK(load_json_file)->Arg(10'000)->Unit(benchmark::kMillisecond);

// One of its documents was edited. 110 services are a file of some 200 kB.
void edit_yaml_file(benchmark::State& state) {
  const auto services = static_cast<int>(state.range(0));
  sources::manifests::Manifests manifests;
  manifests.update("all", yaml_of(services));
  benchmark::DoNotOptimize(manifests.take_changes());
  const std::string texts[] = {yaml_of(services, services / 2, 1), yaml_of(services)};
  std::size_t turn = 0;
  for (auto _ : state) {
    manifests.update("all", texts[turn++ % 2]);
    if (manifests.take_changes().size() != 1) state.SkipWithError("not one change");
  }
  count_bytes(state, texts[0].size());
}
BENCHMARK(edit_yaml_file)->Arg(110)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
