// The API objects that forwarding and DNS depend on, as plain structs: what the cluster said,
// uninterpreted, except that addresses, ports and protocols are binary and defaults that the API
// server would have filled in are filled in (docs of each field name them).
//
// Only fields that something in viaduct reads are here. Sources: Kubernetes API reference, core v1,
// discovery.k8s.io/v1, networking.k8s.io/v1.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace proxy::records {

// Namespace and name of an object; the namespace is empty for cluster-scoped kinds.
struct ObjectName {
  std::string space;
  std::string name;

  [[nodiscard]] std::string text() const { return space.empty() ? name : space + "/" + name; }
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

using Labels = std::map<std::string, std::string>;

// A string shared by many objects (a node's or a zone's name): one allocation for all that the
// decoder made, null for absent. Compare with same_text(), not by pointer.
using SharedText = std::shared_ptr<const std::string>;
[[nodiscard]] inline bool same_text(const SharedText& a, const SharedText& b) {
  return a == b || (a && b && *a == *b);
}

// ── core/v1 Service ─────────────────────────────────────────────────────────────────────────────

enum class ServiceType : std::uint8_t { cluster_ip, node_port, load_balancer, external_name };
enum class TrafficPolicy : std::uint8_t { cluster, local };

struct ServicePortSpec {
  std::string name;  // may be empty when it is the only port
  Protocol protocol = Protocol::tcp;
  Port port;
  std::optional<Port> node_port;                // absent or 0 in the object: absent
  std::variant<Port, std::string> target_port;  // absent: same as port; a name is looked up in Pods

  friend bool operator==(const ServicePortSpec&, const ServicePortSpec&) = default;
};

struct LoadBalancerIngress {
  std::optional<IpAddress> ip;
  bool is_vip = true;  // ipMode: VIP (also when absent) or Proxy

  friend bool operator==(const LoadBalancerIngress&, const LoadBalancerIngress&) = default;
};

struct Service {
  ObjectName name;
  Labels labels;
  Labels annotations;  // those of the prefixes viaduct.io/ and service.kubernetes.io/

  ServiceType type = ServiceType::cluster_ip;
  bool headless = false;               // clusterIP: None
  std::vector<IpAddress> cluster_ips;  // clusterIPs, or clusterIP alone; empty if none is allocated
  std::vector<Family> ip_families;     // as written; may be empty
  std::vector<ServicePortSpec> ports;
  Labels selector;  // empty: no selector, endpoints are written by hand
  std::vector<IpAddress> external_ips;
  std::string external_name;
  std::vector<IpPrefix> load_balancer_source_ranges;
  std::vector<LoadBalancerIngress> load_balancer_ingress;  // status.loadBalancer.ingress
  std::optional<std::chrono::seconds>
      client_ip_affinity;  // set: sessionAffinity ClientIP (10800 s)
  TrafficPolicy internal_policy = TrafficPolicy::cluster;
  TrafficPolicy external_policy = TrafficPolicy::cluster;
  std::optional<Port> health_check_node_port;
  bool publish_not_ready_addresses = false;

  friend bool operator==(const Service&, const Service&) = default;
};

// ── discovery.k8s.io/v1 EndpointSlice ───────────────────────────────────────────────────────────

// What few endpoints have; apart, so that the many which have none of it stay small.
struct EndpointExtras {
  std::string hostname;
  std::vector<std::string> zone_hints;  // hints.forZones[].name
  std::vector<std::string> node_hints;  // hints.forNodes[].name

  friend bool operator==(const EndpointExtras&, const EndpointExtras&) = default;
};

struct SliceEndpoint {
  IpAddress address;         // addresses[0]; further ones have no meaning (API reference)
  bool ready = true;         // absent: true
  bool serving = true;       // absent: true
  bool terminating = false;  // absent: false
  SharedText node;           // nodeName
  SharedText target_pod;     // targetRef.name where targetRef.kind is Pod
  std::unique_ptr<const EndpointExtras> extras;

  SliceEndpoint() = default;
  SliceEndpoint(SliceEndpoint&&) = default;
  SliceEndpoint& operator=(SliceEndpoint&&) = default;
  SliceEndpoint(const SliceEndpoint& other);
  SliceEndpoint& operator=(const SliceEndpoint& other);
  ~SliceEndpoint() = default;
};
[[nodiscard]] bool operator==(const SliceEndpoint& a, const SliceEndpoint& b);

struct SlicePort {
  std::string name;
  Protocol protocol = Protocol::tcp;  // absent: TCP
  std::optional<Port> port;           // absent: "all ports"; no service port is served by it

  friend bool operator==(const SlicePort&, const SlicePort&) = default;
};

struct EndpointSlice {
  ObjectName name;
  std::string service;          // label kubernetes.io/service-name; empty: belongs to no service
  bool headless_label = false;  // label service.kubernetes.io/headless is there: not for forwarding
  Family family = Family::v4;   // addressType IPv4 or IPv6; slices of type FQDN are not decoded
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
  // endpoints.kubernetes.io/last-change-trigger-time
  std::optional<std::chrono::system_clock::time_point> last_change_trigger;

  friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
};

// ── core/v1 Endpoints (the older kind) ──────────────────────────────────────────────────────────

struct EndpointsSubset {
  std::vector<SliceEndpoint>
      endpoints;  // addresses: ready; notReadyAddresses: not ready, not serving
  std::vector<SlicePort> ports;

  friend bool operator==(const EndpointsSubset&, const EndpointsSubset&) = default;
};

struct Endpoints {
  ObjectName name;  // that of its Service
  bool headless_label = false;
  std::vector<EndpointsSubset> subsets;

  friend bool operator==(const Endpoints&, const Endpoints&) = default;
};

// ── the rest ────────────────────────────────────────────────────────────────────────────────────

struct Node {
  ObjectName name;
  Labels labels;                    // topology.kubernetes.io/zone among them
  std::vector<IpAddress> ips;       // status.addresses: InternalIPs in order, then ExternalIPs
  std::vector<IpPrefix> pod_cidrs;  // spec.podCIDRs, or podCIDR alone
  bool being_deleted = false;       // metadata.deletionTimestamp is set
  std::vector<std::string> taints;  // keys of spec.taints

  friend bool operator==(const Node&, const Node&) = default;
};

struct Namespace {
  ObjectName name;
  friend bool operator==(const Namespace&, const Namespace&) = default;
};

struct ServiceCidr {  // networking.k8s.io/v1 (and v1beta1)
  ObjectName name;
  std::vector<IpPrefix> cidrs;
  friend bool operator==(const ServiceCidr&, const ServiceCidr&) = default;
};

struct ContainerPort {
  std::string name;
  Port port;
  Protocol protocol = Protocol::tcp;
  friend bool operator==(const ContainerPort&, const ContainerPort&) = default;
};

struct Pod {
  ObjectName name;
  Labels labels;
  std::vector<IpAddress> ips;  // status.podIPs, or podIP alone
  SharedText node;             // spec.nodeName
  std::string hostname;        // spec.hostname
  std::string subdomain;       // spec.subdomain
  bool host_network = false;
  bool ready = false;                // status.conditions Ready is True
  bool finished = false;             // status.phase Succeeded or Failed
  bool terminating = false;          // metadata.deletionTimestamp is set
  std::vector<ContainerPort> ports;  // of all containers, sidecar init containers included

  friend bool operator==(const Pod&, const Pod&) = default;
};

using Record = std::variant<Service, EndpointSlice, Endpoints, Node, Namespace, ServiceCidr, Pod>;

// Order and number as in Record.
enum class Kind : std::uint8_t {
  service,
  endpoint_slice,
  endpoints,
  node,
  name_space,
  service_cidr,
  pod
};
[[nodiscard]] std::string_view to_string(Kind kind);  // "Service", "EndpointSlice", …
[[nodiscard]] Kind kind_of(const Record& record);
[[nodiscard]] const ObjectName& name_of(const Record& record);

// What identifies an object in a cluster.
struct RecordKey {
  Kind kind = Kind::service;
  ObjectName name;

  friend auto operator<=>(const RecordKey&, const RecordKey&) = default;
  friend bool operator==(const RecordKey&, const RecordKey&) = default;
};
[[nodiscard]] RecordKey key_of(const Record& record);

}  // namespace proxy::records
