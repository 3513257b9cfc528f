#include "bench/api_objects.hpp"

#include "bench/synthetic_cluster.hpp"

#include <fmt/format.h>

namespace bench {
namespace {

std::string name_of(int service) {
  return fmt::format("service-{}", service);
}
std::string uid(int number) {
  return fmt::format("0b5c{:08x}-aaaa-4bbb-8ccc-0123456789ab", number);
}

}  // namespace

std::string service_json(int number) {
  const auto name = name_of(number);
  const auto ip = vip(number).text();
  return fmt::format(
      R"({{"metadata":{{"name":"{0}","namespace":"default","uid":"{2}",)"
      R"("creationTimestamp":"2026-01-31T12:00:00Z","labels":{{"app":"{0}","tier":"backend"}},)"
      R"("managedFields":[{{"manager":"kubectl","operation":"Update","apiVersion":"v1",)"
      R"("time":"2026-01-31T12:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":)"
      R"({{"f:labels":{{".":{{}},"f:app":{{}},"f:tier":{{}}}}}},"f:spec":{{"f:internalTrafficPolicy":{{}},)"
      R"("f:ports":{{".":{{}},"k:{{\"port\":80,\"protocol\":\"TCP\"}}":{{".":{{}},"f:name":{{}},)"
      R"("f:port":{{}},"f:protocol":{{}},"f:targetPort":{{}}}}}},"f:selector":{{}},)"
      R"("f:sessionAffinity":{{}},"f:type":{{}}}}}}}}]}},"spec":{{"ports":[{{"name":"http",)"
      R"("protocol":"TCP","port":80,"targetPort":8080}}],"selector":{{"app":"{0}"}},)"
      R"("clusterIP":"{1}","clusterIPs":["{1}"],"type":"ClusterIP","sessionAffinity":"None",)"
      R"("ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},)"
      R"("status":{{"loadBalancer":{{}}}}}})",
      name, ip, uid(number));
}

std::string slice_json(int number, int generation) {
  const auto name = name_of(number);
  auto json = fmt::format(
      R"({{"metadata":{{"name":"{0}-abcde","generateName":"{0}-","namespace":"default",)"
      R"("uid":"{1}","generation":{2},"creationTimestamp":"2026-01-31T12:00:00Z","labels":)"
      R"({{"app":"{0}","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io",)"
      R"("kubernetes.io/service-name":"{0}"}},"annotations":)"
      R"({{"endpoints.kubernetes.io/last-change-trigger-time":"2026-01-31T12:00:00Z"}},)"
      R"("ownerReferences":[{{"apiVersion":"v1","kind":"Service","name":"{0}","uid":"{1}",)"
      R"("controller":true,"blockOwnerDeletion":true}}],"managedFields":[{{"manager":)"
      R"("kube-controller-manager","operation":"Update","apiVersion":"discovery.k8s.io/v1","time":)"
      R"("2026-01-31T12:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:addressType":{{}},)"
      R"("f:endpoints":{{}},"f:metadata":{{"f:annotations":{{".":{{}},)"
      R"("f:endpoints.kubernetes.io/last-change-trigger-time":{{}}}},"f:generateName":{{}},)"
      R"("f:labels":{{".":{{}},"f:app":{{}},"f:kubernetes.io/service-name":{{}}}}}},"f:ports":{{}}}}}}]}},)"
      R"("addressType":"IPv4","endpoints":[)",
      name, uid(number), generation + 1);
  for (int i = 0; i < kEndpointsPerService; ++i) {
    const bool last = i + 1 == kEndpointsPerService;
    json += fmt::format(
        R"({{"addresses":["{0}"],"conditions":{{"ready":{1},"serving":{1},"terminating":false}},)"
        R"("targetRef":{{"kind":"Pod","namespace":"default","name":"{2}-7d4b9c6f5-{3:05x}","uid":"{4}"}},)"
        R"("nodeName":"node-{5}","zone":"zone-a"}}{6})",
        endpoint(number, i).text(), last && generation % 2 == 1 ? "false" : "true", name_of(number),
        number * 16 + i, uid(number), i % 10, last ? "" : ",");
  }
  return json + R"(],"ports":[{"name":"http","protocol":"TCP","port":8080}]})";
}

}  // namespace bench
