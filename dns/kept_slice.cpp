#include "dns/kept_slice.hpp"

#include <algorithm>

namespace dns {

namespace records = proxy::records;

namespace {

// DNS goes by `ready` alone.
bool is_published(const ServiceFacts& service, const KeptSlice& slice, std::size_t i) {
  return slice.is_ready(i) || service.publish_not_ready;
}

// Names with dots (static pods have the node's in theirs) are several labels: nobody would find
// such an endpoint below its service.
std::string one_label(const std::string& name) {
  return name.find('.') == std::string::npos ? label_of(name) : std::string{};
}

std::string label_of_endpoint(const records::SliceEndpoint& endpoint, bool pod_names) {
  std::string label;
  if (endpoint.extras) label = one_label(endpoint.extras->hostname);
  if (label.empty() && pod_names && endpoint.target_pod) label = one_label(*endpoint.target_pod);
  return label;
}

}  // namespace

std::string port_label(const std::string& name) {
  return name.empty() ? std::string{} : label_of("_" + name);
}

SharedSlice keep_slice(Family family, std::span<const records::SliceEndpoint> endpoints,
                       std::span<const records::SlicePort> ports, bool pod_names) {
  KeptSlice slice;
  slice.address_size = proxy::address_size(family);
  for (const auto& endpoint : endpoints) {
    if (endpoint.address.family() != family) continue;
    const std::size_t index = slice.size();
    slice.addresses += text_of(wire_bytes(endpoint.address));
    if (!endpoint.ready) {
      slice.not_ready.resize(index + 1, false);
      slice.not_ready[index] = true;
    }
    auto label = label_of_endpoint(endpoint, pod_names);
    if (label.empty()) continue;
    slice.labels.resize(index + 1);
    slice.labels[index] = std::move(label);
  }
  if (!slice.not_ready.empty()) slice.not_ready.resize(slice.size(), false);
  if (!slice.labels.empty()) slice.labels.resize(slice.size());
  for (const auto& port : ports) {
    if (port.port) {
      slice.ports.push_back({port_label(port.name), port.protocol, port.port->value});
    }
  }
  slice.addresses.shrink_to_fit();
  slice.ports.shrink_to_fit();
  return std::make_shared<const KeptSlice>(std::move(slice));
}

std::shared_ptr<const EndpointTable> endpoint_table(const ServiceFacts& service,
                                                    std::span<const SharedSlice> slices,
                                                    std::size_t label_room) {
  if (service.kind == ServiceKind::alias) return nullptr;
  const bool headless = service.kind == ServiceKind::headless;
  std::vector<EndpointTable::Entry> entries;
  for (const auto& slice : slices) {
    for (std::size_t i = 0; i < slice->size(); ++i) {
      if (!is_published(service, *slice, i)) continue;
      auto label = slice->label(i);
      if (label.size() > label_room) label = {};
      if (!headless && label.empty()) continue;
      entries.push_back(
          {slice->address(i), label,
           headless ? std::span<const PortFacts>{slice->ports} : std::span<const PortFacts>{}});
    }
  }
  if (entries.empty()) return nullptr;
  return std::make_shared<const EndpointTable>(entries);
}

bool has_published(const ServiceFacts& service, std::span<const SharedSlice> slices) {
  return std::ranges::any_of(slices, [&](const auto& slice) {
    for (std::size_t i = 0; i < slice->size(); ++i) {
      if (is_published(service, *slice, i)) return true;
    }
    return false;
  });
}

std::vector<IpAddress> addresses_of(const ServiceFacts& service,
                                    std::span<const SharedSlice> slices) {
  std::vector<IpAddress> addresses;
  if (service.kind == ServiceKind::alias) return addresses;
  const auto add = [&](Bytes bytes) { addresses.push_back(address_from(bytes)); };
  for (const auto& address : service.v4.all()) add(Bytes{address});
  for (const auto& address : service.v6.all()) add(Bytes{address});
  for (const auto& slice : slices) {
    for (std::size_t i = 0; i < slice->size(); ++i) {
      if (is_published(service, *slice, i)) add(slice->address(i));
    }
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace dns
