// Endpoints, the older kind, as EndpointSlices, which is all that forwarding and DNS go by.
//
// What Kubernetes' mirroring controller does for Endpoints that people write by hand
// (kubernetes.io/docs, "EndpointSlice mirroring").
#pragma once

#include "proxy/records/objects.hpp"

#include <vector>

namespace proxy::records {

// One slice per subset and family that has an address in it, for the service of the same name.
// Their names ("web~endpoints-ipv4-0") hold a '~', so that no object of the API can have the same.
[[nodiscard]] std::vector<EndpointSlice> mirrored(const Endpoints& endpoints);

}  // namespace proxy::records
