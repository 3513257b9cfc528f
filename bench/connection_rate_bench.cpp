// New connections a second through a node: client → node → pod, many at once.
//
//   connection_rate_bench [SERVICES [ROUNDS]]   default 10000 and 15; needs root
//
// Each way to forward has a node of its own, all are measured in turn in every round, and the
// ratios are medians of each round's ratio, so that what else the machine does meets all of them.
// Peers: kube-proxy's nftables mode (verdict maps, by nft), kube-proxy's iptables mode (by
// iptables-legacy-restore), and no rules at all.
#include "bench/connection_load.hpp"
#include "bench/iptables_writer.hpp"
#include "bench/kube_proxy_rules.hpp"
#include "bench/report.hpp"
#include "bench/synthetic_cluster.hpp"
#include "bench/three_hosts.hpp"
#include "tests/netns/process.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using netns::NetworkNamespace;

constexpr auto kWindow = 400ms;

struct Forwarder {
  std::string name;
  std::string key;                                                       // of its figures
  std::function<void(const NetworkNamespace& node, int services)> load;  // empty: no rules
};

void load_viaduct(const NetworkNamespace& node, int services) {
  const netns::Inside inside{node};
  proxy::state::ServiceTable table{{"node-0"}};
  table.replace(bench::cluster(services));
  static_cast<void>(table.take_changes());
  bench::IptablesWriter{}.reconcile(table);
}

void load_by(const NetworkNamespace& node, const std::vector<std::string>& command,
             const std::string& rules) {
  netns::Process loader{node, command, rules};
  const auto status = loader.wait(std::chrono::minutes{5});
  if (status != 0) bench::fail(command[0] + ": " + loader.output());
}

const std::vector<Forwarder>& forwarders() {
  static const std::vector<Forwarder> kAll{
      {"viaduct, iptables", "viaduct", load_viaduct},
      {"verdict maps", "verdict_maps",
       [](const auto& node, int services) {
         load_by(node, {"nft", "-f", "-"}, bench::nftables_full_load(services));
       }},
      {"kube-proxy, iptables", "kube_proxy_iptables",
       [](const auto& node, int services) {
         load_by(node, {"iptables-legacy-restore", "--noflush"},
                 bench::iptables_full_load(services));
       }},
      {"no rules", "no_rules", {}},
  };
  return kAll;
}

struct Target {
  std::string name;
  std::string key;
  proxy::IpAddress address;
  proxy::Port port;
};

std::vector<Target> targets(int services) {
  return {{"first VIP", "first", bench::vip(0), bench::kServicePort},
          {"last VIP", "last", bench::vip(services - 1), bench::kServicePort},
          {"straight to a pod", "pod", bench::endpoint(services - 1, 0), bench::kEndpointPort}};
}

// By forwarder and target; a value for each round.
using Rates = std::map<std::pair<std::string, std::string>, std::vector<double>>;

Rates measure(int services, int rounds) {
  struct Lab {
    explicit Lab(int services) : hosts{services}, server{hosts.pod, bench::kEndpointPort} {}
    bench::ThreeHosts hosts;
    bench::AcceptingServer server;
  };
  std::vector<std::unique_ptr<Lab>> labs;
  for (const auto& forwarder : forwarders()) {
    labs.push_back(std::make_unique<Lab>(services));
    if (forwarder.load) forwarder.load(labs.back()->hosts.node, services);
  }
  Rates rates;
  for (int round = 0; round < rounds; ++round) {
    for (const auto& target : targets(services)) {
      for (std::size_t i = 0; i < labs.size(); ++i) {
        const auto& forwarder = forwarders()[i];
        if (!forwarder.load && target.port == bench::kServicePort) continue;
        rates[{forwarder.name, target.name}].push_back(bench::connections_per_second(
            labs[i]->hosts.client, target.address, target.port, kWindow));
      }
    }
  }
  return rates;
}

double ratio(const std::vector<double>& of, const std::vector<double>& to) {
  std::vector<double> each;
  for (std::size_t round = 0; round < of.size(); ++round) each.push_back(of[round] / to[round]);
  return bench::median(each);
}

void print(const Rates& rates, int services) {
  fmt::print("{} services x {} endpoints: connections a second, median\n{:<24}", services,
             bench::kEndpointsPerService, "");
  for (const auto& target : targets(services)) fmt::print(" {:>18}", target.name);
  for (const auto& forwarder : forwarders()) {
    fmt::print("\n{:<24}", forwarder.name);
    for (const auto& target : targets(services)) {
      const auto it = rates.find({forwarder.name, target.name});
      if (it == rates.end()) {
        fmt::print(" {:>18}", "-");
      } else {
        fmt::print(" {:>18.0f}", bench::median(it->second));
      }
    }
  }
  const auto line = [&](const char* text, const char* of, const char* of_target, const char* to,
                        const char* to_target, double aim) {
    fmt::print("{:<58} {:>5.2f}  (aim {:.2f})\n", text,
               ratio(rates.at({of, of_target}), rates.at({to, to_target})), aim);
  };
  const char* ours = "viaduct, iptables";
  const char* maps = "verdict maps";
  fmt::print("\n\nmedian of each round's ratio\n");
  line("viaduct: last VIP / first VIP", ours, "last VIP", ours, "first VIP", 0.95);
  line("first VIP: viaduct / verdict maps", ours, "first VIP", maps, "first VIP", 0.85);
  line("last VIP: viaduct / verdict maps", ours, "last VIP", maps, "last VIP", 0.85);
  line("straight to a pod: viaduct / verdict maps", ours, "straight to a pod", maps,
       "straight to a pod", 0.95);
}

// Each median, and each median of the rounds' ratios to the verdict maps.
void figures(const Rates& rates, int services) {
  for (const auto& forwarder : forwarders()) {
    for (const auto& target : targets(services)) {
      const auto it = rates.find({forwarder.name, target.name});
      if (it == rates.end()) continue;
      const auto key = forwarder.key + "." + target.key;
      bench::figure(key + ".per_s", bench::median(it->second));
      bench::figure(key + ".to_verdict_maps",
                    ratio(it->second, rates.at({"verdict maps", target.name})));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int services = argc > 1 ? std::atoi(argv[1]) : 10000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 15;
  const auto rates = measure(services, rounds);
  print(rates, services);
  figures(rates, services);
}
