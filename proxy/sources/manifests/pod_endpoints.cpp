#include "proxy/sources/manifests/pod_endpoints.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace proxy::sources::manifests {
namespace {

using records::EndpointSlice;
using records::Pod;
using records::Service;
using records::SliceEndpoint;
using records::SlicePort;

// As written; else those of its cluster IPs; else both (a headless service that does not say).
std::vector<Family> families_of(const Service& service) {
  if (!service.ip_families.empty()) return service.ip_families;
  std::vector<Family> families;
  for (const auto family : kFamilies) {
    if (service.cluster_ips.empty() ||
        std::ranges::find(service.cluster_ips, family, &IpAddress::family) !=
            service.cluster_ips.end()) {
      families.push_back(family);
    }
  }
  return families;
}

std::optional<Port> target_of(const records::ServicePortSpec& port, const Pod& pod) {
  if (const auto* number = std::get_if<Port>(&port.target_port)) return *number;
  const auto& name = std::get<std::string>(port.target_port);
  const auto found = std::ranges::find_if(pod.ports, [&](const records::ContainerPort& candidate) {
    return candidate.name == name && candidate.protocol == port.protocol;
  });
  return found == pod.ports.end() ? std::nullopt : std::optional{found->port};
}

// One per port of the service; a name that the pod does not have leaves that one out.
using Targets = std::vector<std::optional<Port>>;
Targets targets_of(const SelectingService& service, const Pod& pod) {
  Targets targets;
  for (const auto& port : service.ports) targets.push_back(target_of(port, pod));
  return targets;
}

std::string slice_name(const SelectingService& service, Family family, const Targets& targets) {
  auto name = service.name.name + "~pods-" + (family == Family::v4 ? "ipv4" : "ipv6");
  for (const auto& target : targets) {
    name += "-" + (target ? std::to_string(target->value) : "none");
  }
  return name;
}

EndpointSlice empty_slice(const SelectingService& service, Family family, const Targets& targets) {
  EndpointSlice slice;
  slice.name = {.space = service.name.space, .name = slice_name(service, family, targets)};
  slice.service = service.name.name;
  slice.headless_label = service.headless;
  slice.family = family;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!targets[i]) continue;
    slice.ports.push_back(
        {.name = service.ports[i].name, .protocol = service.ports[i].protocol, .port = targets[i]});
  }
  return slice;
}

SliceEndpoint endpoint_of(const SelectingService& service, const Pod& pod,
                          const IpAddress& address) {
  SliceEndpoint endpoint;
  endpoint.address = address;
  endpoint.serving = pod.ready;
  endpoint.terminating = pod.terminating;
  endpoint.ready = service.publish_not_ready_addresses || (pod.ready && !pod.terminating);
  endpoint.node = pod.node;
  endpoint.target_pod = std::make_shared<const std::string>(pod.name.name);
  // The pod's own DNS name, which it has under the service that its subdomain names.
  if (!pod.hostname.empty() && pod.subdomain == service.name.name) {
    endpoint.extras = std::make_unique<const records::EndpointExtras>(
        records::EndpointExtras{.hostname = pod.hostname, .zone_hints = {}, .node_hints = {}});
  }
  return endpoint;
}

}  // namespace

bool selects(const records::Labels& selector, const records::Labels& labels) {
  return std::ranges::all_of(selector, [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

std::optional<SelectingService> selecting(const Service& service) {
  if (service.selector.empty() || service.type == records::ServiceType::external_name) {
    return std::nullopt;
  }
  return SelectingService{.name = service.name,
                          .selector = service.selector,
                          .ports = service.ports,
                          .families = families_of(service),
                          .headless = service.headless,
                          .publish_not_ready_addresses = service.publish_not_ready_addresses};
}

std::vector<EndpointSlice> slices_of_pods(const SelectingService& service,
                                          std::span<const Pod* const> pods) {
  std::vector<EndpointSlice> slices;
  for (const auto family : service.families) {
    std::map<Targets, EndpointSlice> by_targets;
    for (const auto* pod : pods) {
      if (pod->finished) continue;
      const auto address = std::ranges::find(pod->ips, family, &IpAddress::family);
      if (address == pod->ips.end()) continue;
      const auto targets = targets_of(service, *pod);
      const auto [slice, created] = by_targets.try_emplace(targets);
      if (created) slice->second = empty_slice(service, family, targets);
      slice->second.endpoints.push_back(endpoint_of(service, *pod, *address));
    }
    for (auto& [targets, slice] : by_targets) slices.push_back(std::move(slice));
  }
  return slices;
}

}  // namespace proxy::sources::manifests
