// core/v1 Endpoints, the older kind (Kubernetes API reference, "Endpoints v1 core").
#include "proxy/records/kinds.hpp"

namespace proxy::records::json {
namespace {

std::optional<SliceEndpoint> read_endpoint(const Fields& fields, bool ready, SharedTexts& shared) {
  SliceEndpoint endpoint;
  const auto ip = fields["ip"];
  const auto address = ip ? read_address(*ip) : std::nullopt;
  if (!address) return std::nullopt;
  endpoint.address = *address;
  endpoint.ready = ready;
  endpoint.serving = ready;
  endpoint.node = shared.get(fields.dns_subdomain("nodeName"));
  endpoint.target_pod = read_target_pod(fields);
  if (const auto hostname = fields.dns_subdomain("hostname"); !hostname.empty()) {
    endpoint.extras = std::make_unique<const EndpointExtras>(
        EndpointExtras{.hostname = std::string{hostname}, .zone_hints = {}, .node_hints = {}});
  }
  return endpoint;
}

void read_addresses_of(const Fields& subset, std::string_view key, bool ready, SharedTexts& shared,
                       std::vector<SliceEndpoint>& endpoints) {
  const auto list = subset[key];
  if (!list) return;
  const auto items = list->items();
  endpoints.reserve(endpoints.size() + items.size());
  for (const auto& item : items) {
    auto endpoint = read_endpoint(item.fields(), ready, shared);
    if (endpoint) endpoints.push_back(std::move(*endpoint));
  }
}

EndpointsSubset read_subset(const Fields& fields, SharedTexts& shared) {
  EndpointsSubset subset;
  read_addresses_of(fields, "addresses", true, shared, subset.endpoints);
  read_addresses_of(fields, "notReadyAddresses", false, shared, subset.endpoints);
  if (const auto list = fields["ports"]) {
    for (const auto& item : list->items()) {
      subset.ports.push_back(read_endpoint_port(item.fields()));
    }
  }
  return subset;
}

}  // namespace

Endpoints read_endpoints(const ObjectSource& source) {
  Endpoints endpoints;
  const auto labels = source.metadata.object("labels");
  endpoints.headless_label = labels.has("service.kubernetes.io/headless");
  if (const auto list = source.root["subsets"]) {
    for (const auto& item : list->items()) {
      endpoints.subsets.push_back(read_subset(item.fields(), source.shared));
    }
  }
  return endpoints;
}

}  // namespace proxy::records::json
