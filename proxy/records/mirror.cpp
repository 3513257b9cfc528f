#include "proxy/records/mirror.hpp"

namespace proxy::records {
namespace {

std::string slice_name(const ObjectName& service, Family family, std::size_t subset) {
  return service.name + "~endpoints-" + (family == Family::v4 ? "ipv4-" : "ipv6-") +
         std::to_string(subset);
}

}  // namespace

std::vector<EndpointSlice> mirrored(const Endpoints& endpoints) {
  std::vector<EndpointSlice> slices;
  for (std::size_t i = 0; i < endpoints.subsets.size(); ++i) {
    for (const auto family : kFamilies) {
      EndpointSlice slice;
      for (const auto& endpoint : endpoints.subsets[i].endpoints) {
        if (endpoint.address.family() == family) slice.endpoints.push_back(endpoint);
      }
      if (slice.endpoints.empty()) continue;
      slice.name = {.space = endpoints.name.space, .name = slice_name(endpoints.name, family, i)};
      slice.service = endpoints.name.name;
      slice.headless_label = endpoints.headless_label;
      slice.family = family;
      slice.ports = endpoints.subsets[i].ports;
      slices.push_back(std::move(slice));
    }
  }
  return slices;
}

}  // namespace proxy::records
