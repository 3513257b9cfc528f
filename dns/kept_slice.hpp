// What is kept of an EndpointSlice, or of one subset of an Endpoints object: addresses of one
// family, and only what answers may need of them.
#pragma once

#include "dns/service_records.hpp"
#include "proxy/records/objects.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dns {

struct KeptSlice {
  std::size_t address_size = 4;
  std::string addresses;            // one after the other, network order
  std::vector<bool> not_ready;      // empty: all are ready
  std::vector<std::string> labels;  // hostname (or pod name) labels; empty: none has one
  std::vector<PortFacts> ports;

  [[nodiscard]] std::size_t size() const { return addresses.size() / address_size; }
  [[nodiscard]] Bytes address(std::size_t i) const {
    return bytes_of(addresses).subspan(i * address_size, address_size);
  }
  [[nodiscard]] bool is_ready(std::size_t i) const { return not_ready.empty() || !not_ready[i]; }
  [[nodiscard]] std::string_view label(std::size_t i) const {
    return labels.empty() ? std::string_view{} : std::string_view{labels[i]};
  }
  friend bool operator==(const KeptSlice&, const KeptSlice&) = default;
};

// Slices are shared: a service's state refers to them while they are what it shows.
using SharedSlice = std::shared_ptr<const KeptSlice>;

// The endpoints of `family`. Those without a hostname go by their pods' names if `pod_names`.
[[nodiscard]] SharedSlice keep_slice(Family family,
                                     std::span<const proxy::records::SliceEndpoint> endpoints,
                                     std::span<const proxy::records::SlicePort> ports,
                                     bool pod_names);

// "_http" as a label; empty for a port without a name or with one too long to be one.
[[nodiscard]] std::string port_label(const std::string& name);

// The endpoints that have names of their own below a service; null if there is none. A label longer
// than `label_room` (bytes, length byte included) would not fit in front of the service's name: its
// endpoint goes by its address.
[[nodiscard]] std::shared_ptr<const EndpointTable> endpoint_table(
    const ServiceFacts& service, std::span<const SharedSlice> slices, std::size_t label_room);

// Is any endpoint of these published?
[[nodiscard]] bool has_published(const ServiceFacts& service, std::span<const SharedSlice> slices);

// Every address that has a reverse name because of a service: cluster IPs and published endpoints,
// in order, each once.
[[nodiscard]] std::vector<IpAddress> addresses_of(const ServiceFacts& service,
                                                  std::span<const SharedSlice> slices);

}  // namespace dns
