// Manifests and records that tests of manifests start from.
#pragma once

#include "proxy/records/objects.hpp"
#include "proxy/sources/manifests/file_content.hpp"

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace proxy::sources::manifests {

inline std::string service_yaml(std::string_view name, std::string_view ip = "10.96.0.1") {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + std::string{name} +
         "}\nspec:\n  clusterIP: " + std::string{ip} + "\n  ports: [{port: 80}]\n";
}

inline records::RecordKey service_key(std::string_view name) {
  return {records::Kind::service, {"default", std::string{name}}};
}

// What a file says; the fingerprint is made up.
inline StatementPtr statement(records::Record record, std::uint64_t fingerprint) {
  auto statement = std::make_shared<Statement>();
  statement->key = key_of(record);
  statement->fingerprint = fingerprint;
  statement->body = std::make_unique<records::Record>(std::move(record));
  return statement;
}

inline IpAddress ip(std::string_view text) {
  return *parse_ip(text);
}

// ns/name with one cluster IP, selecting app=name, port 80 to 8080.
inline records::Service service(std::string_view name, std::string_view cluster_ip = "10.96.0.1") {
  records::Service service;
  service.name = {"shop", std::string{name}};
  service.cluster_ips = {ip(cluster_ip)};
  service.selector = {{"app", std::string{name}}};
  service.ports = {{.name = "http",
                    .protocol = Protocol::tcp,
                    .port = Port{80},
                    .node_port = {},
                    .target_port = Port{8080}}};
  return service;
}

// shop/name, ready, labelled app=app.
inline records::Pod pod(std::string_view name, std::string_view app, std::string_view address) {
  records::Pod pod;
  pod.name = {"shop", std::string{name}};
  pod.labels = {{"app", std::string{app}}};
  pod.ips = {ip(address)};
  pod.ready = true;
  return pod;
}

// Which belongs to the service and has one endpoint.
inline records::EndpointSlice slice(std::string_view name, std::string_view service,
                                    std::string_view address) {
  records::EndpointSlice slice;
  slice.name = {"shop", std::string{name}};
  slice.service = service;
  slice.endpoints.emplace_back();
  slice.endpoints.back().address = ip(address);
  return slice;
}

}  // namespace proxy::sources::manifests
