// The EndpointSlices that Kubernetes' endpoint controller would write for a Service from its Pods.
//
// Pure. Follows the API reference of EndpointSlice (conditions) and of Service (targetPort,
// publishNotReadyAddresses). One slice per family and set of resolved ports, however many pods: who
// reads them sums up the slices of a service anyway.
#pragma once

#include "proxy/records/objects.hpp"

#include <optional>
#include <span>
#include <vector>

namespace proxy::sources::manifests {

// What of a Service its endpoints follow from.
struct SelectingService {
  records::ObjectName name;
  records::Labels selector;  // not empty
  std::vector<records::ServicePortSpec> ports;
  std::vector<Family> families;
  bool headless = false;
  bool publish_not_ready_addresses = false;

  friend bool operator==(const SelectingService&, const SelectingService&) = default;
};

// nullopt for a service that selects no pods: without selector, or an ExternalName, which is an
// alias of a DNS name.
[[nodiscard]] std::optional<SelectingService> selecting(const records::Service& service);

// Is one with these labels among what `selector` selects?
[[nodiscard]] bool selects(const records::Labels& selector, const records::Labels& labels);

// `pods`: all that the service selects, in the order in which they are to be listed. Finished ones
// and ones without address are left out. The slices' names ("web~pods-ipv4-8080") hold a '~', so
// that no object of the API can have the same.
[[nodiscard]] std::vector<records::EndpointSlice> slices_of_pods(
    const SelectingService& service, std::span<const records::Pod* const> pods);

}  // namespace proxy::sources::manifests
