// The EndpointSlices that Kubernetes' endpoint controller would write for a Service from its Pods.
//
// Pure. Follows the API reference of EndpointSlice (conditions) and of Service (targetPort,
// publishNotReadyAddresses). One slice per family and set of resolved ports, however many pods: who
// reads them sums up the slices of a service anyway.
#pragma once

#include "proxy/records/objects.hpp"

#include <span>
#include <vector>

namespace proxy::sources::manifests {

// Is `pod` one that `selector` (not empty) selects?
[[nodiscard]] bool selects(const records::Labels& selector, const records::Labels& labels);

// `pods`: all that the service selects, in the order in which they are to be listed. Finished ones
// and ones without address are left out. The slices' names ("web~pods-ipv4-8080") hold a '~', so
// that no object of the API can have the same.
[[nodiscard]] std::vector<records::EndpointSlice> slices_of_pods(
    const records::Service& service, std::span<const records::Pod* const> pods);

}  // namespace proxy::sources::manifests
