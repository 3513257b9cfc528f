#include "bench/synthetic_manifests.hpp"

#include "bench/synthetic_cluster.hpp"

#include <fmt/format.h>

#include <string>

namespace bench {

netns::Object service_manifest(int number) {
  const auto name = service(number).name.name;
  return {
      .key = {.kind = "Service", .name_space = "default", .name = name},
      .json = fmt::format(
          R"({{"apiVersion":"v1","kind":"Service","metadata":{{"namespace":"default",)"
          R"("name":"{0}"}},"spec":{{"type":"ClusterIP","clusterIP":"{1}","clusterIPs":["{1}"],)"
          R"("ipFamilies":["IPv4"],"ports":[{{"name":"http","protocol":"TCP","port":{2},)"
          R"("targetPort":{3}}}]}}}})",
          name, vip(number).text(), kServicePort.value, kEndpointPort.value)};
}

netns::Object slice_manifest(int number, bool shrunk) {
  const auto record = slice(number, shrunk);
  std::string endpoints;
  for (const auto& endpoint : record.endpoints) {
    endpoints += fmt::format(R"({}{{"addresses":["{}"],"nodeName":"{}"}})",
                             endpoints.empty() ? "" : ",", endpoint.address.text(), *endpoint.node);
  }
  return {
      .key = {.kind = "EndpointSlice", .name_space = "default", .name = record.name.name},
      .json = fmt::format(
          R"({{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":)"
          R"({{"namespace":"default","name":"{}","labels":{{"kubernetes.io/service-name":"{}"}}}},)"
          R"("addressType":"IPv4","ports":[{{"name":"http","port":{},"protocol":"TCP"}}],)"
          R"("endpoints":[{}]}})",
          record.name.name, record.service, kEndpointPort.value, endpoints)};
}

}  // namespace bench
