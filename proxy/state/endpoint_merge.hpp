// A service's EndpointSlices, reduced to what forwarding needs, and the endpoints that they give to
// one service port together.
//
// Pure. An endpoint may stand in several slices at once while the control plane moves it, and the
// slices are not changed together (discovery.k8s.io/v1, "Duplicate endpoints").
#pragma once

#include "proxy/state/service_port.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::state {

// 20 bytes: a large cluster has hundreds of thousands, and every node holds them all.
struct KnownEndpoint {
  IpAddress address;
  bool ready : 1 = true;
  bool serving : 1 = true;
  bool terminating : 1 = false;
  bool local : 1 = false;           // on this node
  bool has_node_hints : 1 = false;  // meant for the nodes that its hints name …
  bool hinted_to_node : 1 = false;  // … among them this one
  std::uint16_t zone_hints = 0;     // index in KnownSlice::zone_sets; 0: no zone hints

  friend bool operator==(const KnownEndpoint&, const KnownEndpoint&) = default;
};

using ZoneSet = std::vector<std::string>;  // sorted

struct KnownSlice {
  std::string name;  // of the EndpointSlice, in the service's namespace
  Family family = Family::v4;
  std::vector<records::SlicePort> ports;  // only those that have a number
  std::vector<KnownEndpoint> endpoints;
  std::vector<ZoneSet> zone_sets;  // each combination once; the first, if any, is the empty one
  std::size_t wrong_family = 0;    // endpoints left out because they are of another family

  [[nodiscard]] bool has_zone_hints() const { return !zone_sets.empty(); }
  friend bool operator==(const KnownSlice&, const KnownSlice&) = default;
};

// What forwarding on the node named `node` needs of a slice. An endpoint is local only if it names
// that node; one that names none is not, and nothing is local if `node` is empty.
[[nodiscard]] KnownSlice known_slice(const records::EndpointSlice& slice, std::string_view node);

// An endpoint of one service port with its conditions. Points into the slices that it came from.
struct Candidate {
  Endpoint endpoint;
  const KnownEndpoint* known = nullptr;
  const ZoneSet* zones = nullptr;  // null: no zone hints
};

// The endpoints that the slices (of one service) give to the port of that name, protocol and
// family: sorted, each address and port once. Of several copies, the local one counts before
// others, then the one in better condition, then the one of the slice given first, so that the
// outcome does not depend on the order in which slices arrived if `slices` is sorted.
[[nodiscard]] std::vector<Candidate> merge_endpoints(std::span<const KnownSlice> slices,
                                                     const ServicePortName& name);

}  // namespace proxy::state
