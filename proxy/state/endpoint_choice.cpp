#include "proxy/state/endpoint_choice.hpp"

#include <algorithm>

namespace proxy::state {
namespace {

bool is_ready(const Candidate& candidate) {
  return candidate.known->ready;
}

bool is_serving(const Candidate& candidate) {
  return candidate.known->serving;
}

bool is_last_resort(const Candidate& candidate) {
  return candidate.known->serving && candidate.known->terminating;
}

bool is_local(const Candidate& candidate) {
  return candidate.known->local;
}

bool is_hinted_to_node(const Candidate& candidate) {
  return candidate.known->hinted_to_node;
}

bool has_node_hints(const Candidate& candidate) {
  return candidate.known->has_node_hints;
}

bool is_hinted_to_zone(const Candidate& candidate, std::string_view zone) {
  return candidate.zones && std::ranges::binary_search(*candidate.zones, zone);
}

bool has_zone_hints(const Candidate& candidate) {
  return candidate.zones;
}

EndpointList those(std::span<const Candidate> candidates, const auto& wanted) {
  std::vector<Endpoint> chosen;
  chosen.reserve(candidates.size());
  for (const auto& candidate : candidates) {
    if (wanted(candidate)) chosen.push_back(candidate.endpoint);
  }
  return chosen;
}

// Hints say how to share the load only if the whole cluster goes by them: they count if every ready
// endpoint has one, and one of them is meant for us. The closer kind is asked first.
EndpointList ready_by_topology(std::span<const Candidate> candidates, std::string_view zone) {
  const auto every_ready = [&](const auto& holds) {
    return std::ranges::all_of(candidates, [&](const auto& c) { return !is_ready(c) || holds(c); });
  };
  if (every_ready(has_node_hints)) {
    auto near =
        those(candidates, [](const auto& c) { return is_ready(c) && is_hinted_to_node(c); });
    if (!near.empty()) return near;
  }
  if (every_ready(has_zone_hints)) {
    auto near =
        those(candidates, [&](const auto& c) { return is_ready(c) && is_hinted_to_zone(c, zone); });
    if (!near.empty()) return near;
  }
  return those(candidates, is_ready);
}

EndpointList cluster_endpoints(std::span<const Candidate> candidates, std::string_view zone) {
  auto ready = ready_by_topology(candidates, zone);
  return ready.empty() ? those(candidates, is_last_resort) : ready;
}

EndpointList local_endpoints(std::span<const Candidate> candidates) {
  auto ready = those(candidates, [](const auto& c) { return is_local(c) && is_ready(c); });
  if (!ready.empty()) return ready;
  return those(candidates, [](const auto& c) { return is_local(c) && is_last_resort(c); });
}

}  // namespace

void choose_endpoints(ServicePort& port, std::span<const Candidate> endpoints,
                      std::string_view zone) {
  // Equal lists are made one: three names, one piece of memory.
  const auto shared = [&](EndpointList list, const auto&... others) {
    ((list == others ? void(list = others) : void()), ...);
    return list;
  };
  port.serving_endpoints = those(endpoints, is_serving);
  port.cluster_endpoints = port.uses_cluster_endpoints()
                               ? shared(cluster_endpoints(endpoints, zone), port.serving_endpoints)
                               : EndpointList{};
  port.local_endpoints =
      port.uses_local_endpoints()
          ? shared(local_endpoints(endpoints), port.serving_endpoints, port.cluster_endpoints)
          : EndpointList{};
  port.has_any_endpoint = std::ranges::any_of(
      endpoints, [](const auto& c) { return is_ready(c) || is_last_resort(c); });
}

}  // namespace proxy::state
