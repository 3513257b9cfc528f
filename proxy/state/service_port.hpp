// The desired forwarding of one service port on this node: what every mode reads.
//
// All rules of the Service API about who is eligible (readiness, termination, traffic policies,
// topology hints, families) have been applied; a mode chooses among what is here and nothing else.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"
#include "proxy/records/objects.hpp"
#include "proxy/state/endpoint_list.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace proxy::state {

using records::TrafficPolicy;

// "namespace/name:port" and protocol; the key of all state, once per family.
struct ServicePortName {
  records::ObjectName service;
  std::string port;  // the port's name, may be empty
  Protocol protocol = Protocol::tcp;
  Family family = Family::v4;

  // "ns/name:port", without the colon for a port without name: Kubernetes'
  // ServicePortName.String(), used in rule comments and logs.
  [[nodiscard]] std::string text() const;

  friend auto operator<=>(const ServicePortName&, const ServicePortName&) = default;
  friend bool operator==(const ServicePortName&, const ServicePortName&) = default;
};

struct ServicePort {
  // VIPs; all of the family of the name.
  IpAddress cluster_ip;
  Port port;
  std::optional<Port> node_port;
  std::vector<IpAddress> external_ips;
  std::vector<IpAddress> load_balancer_ips;  // VIP-mode ingress only
  // Only these may use the load-balancer IPs; never empty. nullopt: everybody may, because the
  // Service names no range of this family, or one that holds every address.
  std::optional<std::vector<IpPrefix>> source_ranges;

  TrafficPolicy internal_policy = TrafficPolicy::cluster;
  TrafficPolicy external_policy = TrafficPolicy::cluster;
  std::optional<std::chrono::seconds> affinity;  // sessionAffinity ClientIP and its time-out
  std::optional<Port> health_check_node_port;
  records::Labels annotations;  // those of the prefix viaduct.io/

  // Endpoints; the lists are shared where they are equal.
  EndpointList cluster_endpoints;  // usable under Cluster; empty if no traffic uses Cluster
  EndpointList local_endpoints;    // usable under Local; empty if no traffic uses Local
  bool has_any_endpoint = false;   // usable from anywhere in the cluster (REJECT or DROP)
  // Every endpoint whose condition serving holds, policies and topology aside: the conntrack
  // entries of UDP flows to others are stale.
  EndpointList serving_endpoints;

  // Is there a VIP that clients outside the cluster use (node port, load balancer, external IP)?
  [[nodiscard]] bool externally_accessible() const;
  [[nodiscard]] bool uses_cluster_endpoints() const;
  [[nodiscard]] bool uses_local_endpoints() const;
  // The endpoints that traffic to the cluster IP, and to external VIPs, may use by its policy.
  [[nodiscard]] const EndpointList& internal_endpoints() const;
  [[nodiscard]] const EndpointList& external_endpoints() const;
  // Some endpoint can be reached from here by some policy.
  [[nodiscard]] bool has_reachable_endpoint() const;

  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

}  // namespace proxy::state
