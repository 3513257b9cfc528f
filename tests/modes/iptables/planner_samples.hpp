// Clusters for tests of the planner, and what is to be asked of the rules.
#pragma once

#include "tests/modes/iptables/packet_trace.hpp"
#include "tests/modes/iptables/planner_driver.hpp"
#include "tests/proxy/state/builders.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace modes::iptables::testing {

using namespace proxy::state::testing;
using fakes::FakeRuleset;
using netfilter::Table;
using proxy::records::Record;
namespace records = proxy::records;

inline constexpr auto kHere = "node-a";

inline Settings some_settings() {
  Settings out;
  out.local = LocalByPrefix{{prefix("10.0.0.0/8"), prefix("fd01::/16")}};
  return out;
}

// `count` endpoints of one service, of which every third is here.
inline records::EndpointSlice endpoints_of(const std::string& name, unsigned count, Family family,
                                           unsigned first = 0) {
  std::vector<records::SliceEndpoint> all;
  for (unsigned i = first; i < first + count; ++i) {
    const auto low =
        std::to_string(i / 250) + (family == Family::v4 ? "." : ":") + std::to_string(1 + i % 250);
    all.push_back(slice_endpoint(family == Family::v4 ? "10.1." + low : "fd01::" + low,
                                 i % 3 == 0 ? kHere : "node-b"));
  }
  auto out = slice(name + (family == Family::v4 ? "-4" : "-6"), name, std::move(all));
  out.family = family;
  return out;
}

// Rules of the same table as a planner writes them that begins with nothing.
inline auto written_anew(const ServiceTable& table, const Settings& settings) {
  FakeRuleset kernel;
  Driver driver{kernel, settings};
  driver.reconcile(table);
  return kernel.rules();
}

inline void expect_same(const std::map<ChainKey, std::vector<Rule>>& a,
                        const std::map<ChainKey, std::vector<Rule>>& b) {
  for (const auto& [key, rules] : a) {
    const auto it = b.find(key);
    if (it == b.end()) {
      ADD_FAILURE() << "too much: " << to_string(key.family) << " " << key.name.view();
    } else if (it->second != rules) {
      ADD_FAILURE() << "different: " << to_string(key.family) << " " << to_string(key.table) << " "
                    << key.name.view() << " " << rules.size() << " rules, should be "
                    << it->second.size();
    }
  }
  for (const auto& [key, rules] : b) {
    if (!a.contains(key))
      ADD_FAILURE() << "missing: " << to_string(key.family) << " " << key.name.view();
  }
}

// What a TCP packet meets that comes to the node from outside.
inline std::set<Arrival> arrivals(const FakeRuleset& kernel, const IpAddress& to,
                                  std::uint16_t port, std::string_view from = "10.9.9.9") {
  return trace(kernel, {ip("192.168.0.2")},
               {ip(from), to, proxy::Protocol::tcp, Port{port}, "veth0"});
}

}  // namespace modes::iptables::testing
