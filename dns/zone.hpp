// The cluster's zone at one moment: immutable, shared by all workers, replaced in part by each
// change (zone_builder.hpp).
//
// Look-ups take a lower-cased name and allocate nothing. They say what a name is, not what is
// answered for it (responder.hpp does), so that NXDOMAIN and NODATA never depend on the type.
// Names: Kubernetes DNS-Based Service Discovery, schema 1.1.0.
#pragma once

#include "dns/name.hpp"
#include "dns/persistent_map.hpp"
#include "dns/service_records.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dns {

enum class PodRecords : std::uint8_t {
  disabled,  // nothing below pod.<zone>
  insecure,  // 10-0-0-7.<namespace> leads to 10.0.0.7, whether or not there is such a pod
  verified,  // only where there is
};

// Fixed for the life of the server.
struct ZoneOptions {
  LowerName domain{};     // "cluster.local"
  std::uint32_t ttl = 5;  // seconds
  PodRecords pod_records = PodRecords::insecure;
  bool know_pods = false;              // keep pods although pod_records is not verified (autopath)
  bool ignore_empty_service = false;   // no ready endpoint: as if the service did not exist
  bool endpoint_pod_names = false;     // endpoints without hostname go by their pod's name
  bool short_names = true;             // service.namespace[.svc] as written
  std::set<std::string> namespaces{};  // only these; empty: all
  std::vector<LowerName> delegated{};  // below the domain, but others' (stub domains)
  std::uint64_t hash_seed = 0;         // random
};

// Values of the zone's tables.
struct ZoneService {
  std::shared_ptr<const ServiceFacts> facts;
  std::shared_ptr<const EndpointTable> endpoints;  // null: none that has records
};
// Reverse: the services of an address; look there what it is to them. What has no entry in a
// service with cluster IPs itself is an endpoint without a hostname.
struct ZoneAddress {
  IpAddress address;
  std::uint64_t service_hash;
};
struct ZonePod {
  IpAddress address;
  std::shared_ptr<const std::string> namespace_label;  // with length byte
  bool shared_address;  // a pod on the node's network: the address tells no pod
  std::string name;     // of the pod, for replacing it
};

struct Zone {
  explicit Zone(std::shared_ptr<const ZoneOptions> zone_options);

  enum class Kind : std::uint8_t {
    outside,  // not below the domain
    no_name,  // NXDOMAIN
    empty,    // exists, without any record (also: something exists below it)
    apex,
    schema_version,  // dns-version.<zone>
    name_server,     // ns.dns.<zone>
    service,
    service_port,  // _port._protocol.service…
    endpoint,      // hostname or dashed address below a service
    pod,
  };
  // What a name is. Pointers live as long as the zone; spans of the name as long as the name.
  struct Match {
    Kind kind = Kind::outside;
    const ServiceFacts* service = nullptr;
    const EndpointTable* endpoints = nullptr;
    Bytes port_label;                             // service_port
    Protocol protocol = Protocol::tcp;            // service_port
    std::span<const EndpointTable::Named> named;  // endpoint by hostname
    std::optional<IpAddress> address;             // pod, endpoint by address
    bool short_form = false;                      // the name is not below the domain
  };

  // Any name, short forms included if they are switched on and lead to something.
  [[nodiscard]] Match find(const LowerName& name) const;

  // "\3web\4shop" and its hash.
  [[nodiscard]] const ZoneService* find_service(Bytes labels) const;

  // The hash of the service that a query is about; nullopt if it is about no service of ours. The
  // query may be any bytes.
  [[nodiscard]] std::optional<std::uint64_t> service_hash_of(Bytes query) const;
  // Begins to load what answers about these services will read: a zone is larger than the caches
  // next to a core, and a batch of queries then waits for memory once rather than each.
  void prefetch(std::span<const std::uint64_t> service_hashes) const;

  // What an address is to a service, the most telling first.
  enum class AddressRole : std::uint8_t {
    cluster_ip,
    listed_endpoint,  // in the service's table: of a headless service, or with a hostname
    endpoint,         // of a service with cluster IPs: goes by its address
  };
  static constexpr std::array kAddressRoles{AddressRole::cluster_ip, AddressRole::listed_endpoint,
                                            AddressRole::endpoint};
  // Calls `visitor(const ZoneService&, AddressRole, EndpointTable::Index)` for the services that
  // the address is the most telling thing to; the index is that of a listed endpoint. True if there
  // was any.
  template <class Visitor>
  bool visit_reverse(const IpAddress& address, const Visitor& visitor) const;

  // The namespace (as a label) of the one pod that has this address; empty if none has or the pod
  // shares its node's address.
  [[nodiscard]] Bytes namespace_of_pod(const IpAddress& address) const;
  [[nodiscard]] bool has_pod(const IpAddress& address, Bytes namespace_label) const;
  [[nodiscard]] bool has_namespace(Bytes label) const;

  [[nodiscard]] std::uint64_t hash(Bytes key) const;
  [[nodiscard]] std::uint64_t hash(const IpAddress& address) const {
    return hash(wire_bytes(address));
  }

  std::shared_ptr<const ZoneOptions> options;
  bool synced = false;       // every source has given its first full list
  std::uint32_t serial = 1;  // of the SOA record, never 0
  PersistentMap<ZoneService> services;
  PersistentMap<std::shared_ptr<const std::string>> namespaces;  // labels
  PersistentMap<ZoneAddress> addresses;
  PersistentMap<ZonePod> pods;

 private:
  [[nodiscard]] Match find_below_svc(const LowerName& name, std::size_t labels) const;
  [[nodiscard]] Match find_below_pod(const LowerName& name, std::size_t labels) const;
  [[nodiscard]] Match find_short(const LowerName& name) const;
  [[nodiscard]] Match find_port(const ZoneService& service, Bytes port, Bytes protocol) const;
  [[nodiscard]] Match find_endpoint(const ZoneService& service, Bytes label) const;
};

template <class Visitor>
bool Zone::visit_reverse(const IpAddress& address, const Visitor& visitor) const {
  const auto bytes = wire_bytes(address);
  bool found = false;
  for (const auto wanted : kAddressRoles) {
    addresses.visit(hash(bytes), [&](const ZoneAddress& entry) {
      if (entry.address != address) return true;
      services.visit(entry.service_hash, [&](const ZoneService& service) {
        std::optional<EndpointTable::Index> index;
        if (service.endpoints) index = service.endpoints->find_address(bytes);
        const auto role = service.facts->has_address(bytes) ? AddressRole::cluster_ip
                          : index                           ? AddressRole::listed_endpoint
                                                            : AddressRole::endpoint;
        if (role != wanted) return true;
        found = true;
        visitor(service, role, index.value_or(0));
        return true;
      });
      return true;
    });
    if (found) break;
  }
  return found;
}

}  // namespace dns
