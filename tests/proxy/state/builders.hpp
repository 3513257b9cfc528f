// Records in few words, for tests of what is computed from them.
#pragma once

#include "proxy/state/service_table.hpp"

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::records {

inline std::ostream& operator<<(std::ostream& out, const ObjectName& name) {
  return out << name.text();
}

}  // namespace proxy::records

namespace proxy::state {

inline std::ostream& operator<<(std::ostream& out, const ServicePortName& name) {
  return out << name.text() << "/" << upper_name(name.protocol) << " " << to_string(name.family);
}

namespace testing {

inline IpAddress ip(std::string_view text) {
  return *parse_ip(text);
}
inline IpPrefix prefix(std::string_view text) {
  return *parse_prefix(text);
}
inline Endpoint endpoint(std::string_view address, std::uint16_t port) {
  return {ip(address), Port{port}};
}

// "web" on port 80/TCP in the default namespace; tests change what they are about.
inline records::Service service(std::string name, std::string_view cluster_ip = "10.96.0.1") {
  records::Service service;
  service.name = {"default", std::move(name)};
  service.cluster_ips = {ip(cluster_ip)};
  service.ports = {{.name = "http",
                    .protocol = Protocol::tcp,
                    .port = Port{80},
                    .node_port = std::nullopt,
                    .target_port = Port{8080}}};
  return service;
}

inline ServicePortName port_name(std::string service, Family family = Family::v4,
                                 std::string port = "http", Protocol protocol = Protocol::tcp) {
  return {{"default", std::move(service)}, std::move(port), protocol, family};
}

// ready, serving, terminating as the API has them.
struct Conditions {
  bool ready = true;
  bool serving = true;
  bool terminating = false;
};
inline constexpr Conditions kReady{};
inline constexpr Conditions kNotReady{false, false, false};
inline constexpr Conditions kLastResort{false, true, true};  // serving while terminating

struct Hints {
  std::vector<std::string> zones;
  std::vector<std::string> nodes;
};

inline records::SliceEndpoint slice_endpoint(std::string_view address, std::string_view node = "",
                                             Conditions conditions = kReady,
                                             const Hints& hints = {}) {
  records::SliceEndpoint endpoint;
  endpoint.address = ip(address);
  endpoint.ready = conditions.ready;
  endpoint.serving = conditions.serving;
  endpoint.terminating = conditions.terminating;
  if (!node.empty()) endpoint.node = std::make_shared<const std::string>(node);
  if (!hints.zones.empty() || !hints.nodes.empty()) {
    endpoint.extras = std::make_unique<const records::EndpointExtras>(
        records::EndpointExtras{"", hints.zones, hints.nodes});
  }
  return endpoint;
}

// Port "http" is 8080/TCP; the family is that of the first endpoint.
inline records::EndpointSlice slice(std::string name, std::string service,
                                    std::vector<records::SliceEndpoint> endpoints) {
  records::EndpointSlice slice;
  slice.name = {"default", std::move(name)};
  slice.service = std::move(service);
  slice.ports = {{"http", Protocol::tcp, Port{8080}}};
  if (!endpoints.empty()) slice.family = endpoints.front().address.family();
  slice.endpoints = std::move(endpoints);
  return slice;
}

inline records::Node node(std::string name, std::optional<std::string> zone = std::nullopt) {
  records::Node node;
  node.name.name = std::move(name);
  if (zone) node.labels["topology.kubernetes.io/zone"] = *zone;
  return node;
}

}  // namespace testing
}  // namespace proxy::state
