#include "proxy/state/endpoint_merge.hpp"

#include <algorithm>
#include <compare>
#include <limits>
#include <tuple>

namespace proxy::state {
namespace {

ZoneSet sorted_zones(const std::vector<std::string>& zones) {
  ZoneSet sorted = zones;
  std::ranges::sort(sorted);
  const auto [rest, end] = std::ranges::unique(sorted);
  sorted.erase(rest, end);
  return sorted;
}

// The index of `zones` among the slice's zone sets, where it is added if it is new. A slice has at
// most 1,000 endpoints, so the index fits; beyond that the endpoint has no zone hints.
std::uint16_t zone_set_index(std::vector<ZoneSet>& sets, const std::vector<std::string>& zones) {
  if (zones.empty()) return 0;
  if (sets.empty()) sets.emplace_back();
  auto sorted = sorted_zones(zones);
  const auto found = std::ranges::find(sets, sorted);
  const auto index = found - sets.begin();
  if (index > std::numeric_limits<std::uint16_t>::max()) return 0;
  if (found == sets.end()) sets.push_back(std::move(sorted));
  return static_cast<std::uint16_t>(index);
}

KnownEndpoint known_endpoint(const records::SliceEndpoint& endpoint, std::string_view node,
                             std::vector<ZoneSet>& zone_sets) {
  KnownEndpoint known;
  known.address = endpoint.address;
  known.ready = endpoint.ready;
  known.serving = endpoint.serving;
  known.terminating = endpoint.terminating;
  known.local = !node.empty() && endpoint.node && *endpoint.node == node;
  if (!endpoint.extras) return known;
  const auto& nodes = endpoint.extras->node_hints;
  known.has_node_hints = !nodes.empty();
  known.hinted_to_node = std::ranges::find(nodes, node) != nodes.end();
  known.zone_hints = zone_set_index(zone_sets, endpoint.extras->zone_hints);
  return known;
}

// Better copies of an endpoint compare less.
auto rank(const Candidate& candidate) {
  const auto& known = *candidate.known;
  return std::tuple{!known.local, !known.ready, !known.serving, bool{known.terminating}};
}

}  // namespace

KnownSlice known_slice(const records::EndpointSlice& slice, std::string_view node) {
  KnownSlice known;
  known.name = slice.name.name;
  known.family = slice.family;
  for (const auto& port : slice.ports) {
    if (port.port && port.port->value != 0) known.ports.push_back(port);
  }
  known.endpoints.reserve(slice.endpoints.size());
  for (const auto& endpoint : slice.endpoints) {
    if (endpoint.address.family() == slice.family) {
      known.endpoints.push_back(known_endpoint(endpoint, node, known.zone_sets));
    } else {
      ++known.wrong_family;
    }
  }
  known.ports.shrink_to_fit();
  return known;
}

std::vector<Candidate> merge_endpoints(std::span<const KnownSlice> slices,
                                       const ServicePortName& name) {
  std::vector<Candidate> merged;
  for (const auto& slice : slices) {
    if (slice.family != name.family) continue;
    for (const auto& port : slice.ports) {
      if (port.name != name.port || port.protocol != name.protocol) continue;
      for (const auto& known : slice.endpoints) {
        const auto* zones = known.zone_hints ? &slice.zone_sets[known.zone_hints] : nullptr;
        merged.push_back({{known.address, *port.port}, &known, zones});
      }
    }
  }
  std::ranges::stable_sort(merged, [](const Candidate& a, const Candidate& b) {
    const auto order = a.endpoint <=> b.endpoint;
    return std::is_neq(order) ? std::is_lt(order) : rank(a) < rank(b);
  });
  const auto [rest, end] = std::ranges::unique(merged, {}, &Candidate::endpoint);
  merged.erase(rest, end);
  return merged;
}

}  // namespace proxy::state
