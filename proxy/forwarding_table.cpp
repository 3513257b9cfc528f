#include "proxy/forwarding_table.hpp"

#include "proxy/printable.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <vector>

namespace proxy {
namespace {

using state::EndpointList;
using state::ServicePort;
using state::ServicePortName;
using state::TrafficPolicy;

constexpr std::size_t kColumns = 4;
using Row = std::array<std::string, kColumns>;

std::string destination(const ServicePort& port, TrafficPolicy policy) {
  constexpr std::size_t kShown = 4;
  const auto& endpoints =
      policy == TrafficPolicy::local ? port.local_endpoints : port.cluster_endpoints;
  if (endpoints.empty()) {
    // By Kubernetes' rules: without any endpoint clients are told, without a local one they are
    // not.
    return port.has_any_endpoint ? "no endpoint on this node: dropped" : "no endpoint: rejected";
  }
  std::vector<std::string> texts;
  for (const auto& endpoint : endpoints | std::views::take(kShown))
    texts.push_back(endpoint.text());
  auto text = fmt::format("{}", fmt::join(texts, ", "));
  if (endpoints.size() > kShown) text += fmt::format(" and {} more", endpoints.size() - kShown);
  return text;
}

std::string restrictions(const ServicePort& port, bool is_load_balancer) {
  std::string text;
  if (is_load_balancer && port.source_ranges) {
    std::vector<std::string> ranges;
    for (const auto& range : *port.source_ranges) ranges.push_back(range.text());
    text += fmt::format("; only from {}", fmt::join(ranges, ", "));
  }
  if (port.affinity) text += fmt::format("; session affinity {} s", port.affinity->count());
  return text;
}

void append_rows(const ServicePortName& name, const ServicePort& port, std::vector<Row>& rows) {
  auto owner = printable(name.text());
  const auto add = [&](std::string vip, TrafficPolicy policy, bool is_load_balancer = false) {
    rows.push_back({std::exchange(owner, {}),
                    fmt::format("{} {}", upper_name(name.protocol), std::move(vip)),
                    policy == TrafficPolicy::local ? "Local" : "Cluster",
                    destination(port, policy) + restrictions(port, is_load_balancer)});
  };
  const auto vip = [&](const IpAddress& address) {
    return state::Endpoint{.address = address, .port = port.port}.text();
  };
  add(vip(port.cluster_ip), port.internal_policy);
  for (const auto& address : port.external_ips) add(vip(address), port.external_policy);
  for (const auto& address : port.load_balancer_ips) add(vip(address), port.external_policy, true);
  if (port.node_port) {
    add(fmt::format("{} node port {}", to_string(name.family), port.node_port->value),
        port.external_policy);
  }
}

}  // namespace

std::string forwarding_table(const state::ServiceTable& table) {
  std::vector<Row> rows{{"SERVICE PORT", "VIP", "POLICY", "TRAFFIC GOES TO"}};
  table.for_each(
      [&](const ServicePortName& name, const ServicePort& port) { append_rows(name, port, rows); });
  if (rows.size() == 1) return {};

  std::array<std::size_t, kColumns> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", row[0], widths[0], row[1], widths[1],
                        row[2], widths[2], row[3]);
  }
  return text;
}

}  // namespace proxy
