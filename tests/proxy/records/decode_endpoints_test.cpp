#include "tests/proxy/records/decoding.hpp"

#include <gmock/gmock.h>

namespace proxy::records {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

IpAddress ip(std::string_view text) {
  return *parse_ip(text);
}

std::string slice(std::string_view rest) {
  return "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, "
         "namespace: shop, labels: {kubernetes.io/service-name: web}}, " +
         std::string{rest} + "}";
}

TEST(DecodeEndpointSlice, ReadsEndpointsWithTheirConditionsAndHints) {
  const auto web = decoded<EndpointSlice>(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-x1
  namespace: shop
  labels: {kubernetes.io/service-name: web, service.kubernetes.io/headless: ''}
  annotations: {endpoints.kubernetes.io/last-change-trigger-time: '2026-01-31T12:00:00.5Z'}
addressType: IPv4
ports:
- {name: http, port: 8080, protocol: TCP, appProtocol: http}
endpoints:
- addresses: [10.0.0.1, 10.0.0.2]
  conditions: {ready: false, serving: true, terminating: true}
  nodeName: node-a
  zone: a
  hostname: web-0
  targetRef: {kind: Pod, name: web-0}
  hints: {forZones: [{name: a}, {name: b}], forNodes: [{name: node-a}]}
)");
  EXPECT_EQ(web.name, (ObjectName{"shop", "web-x1"}));
  EXPECT_EQ(web.service, "web");
  EXPECT_TRUE(web.headless_label);
  EXPECT_EQ(web.family, Family::v4);
  EXPECT_THAT(web.ports, ElementsAre(SlicePort{"http", Protocol::tcp, Port{8080}}));
  ASSERT_THAT(web.endpoints, SizeIs(1));
  const auto& endpoint = web.endpoints.front();
  EXPECT_EQ(endpoint.address, ip("10.0.0.1"));
  EXPECT_FALSE(endpoint.ready);
  EXPECT_TRUE(endpoint.serving);
  EXPECT_TRUE(endpoint.terminating);
  EXPECT_EQ(*endpoint.node, "node-a");
  EXPECT_EQ(*endpoint.target_pod, "web-0");
  ASSERT_TRUE(endpoint.extras);
  EXPECT_EQ(*endpoint.extras, (EndpointExtras{"web-0", {"a", "b"}, {"node-a"}}));
  using namespace std::chrono;
  EXPECT_EQ(web.last_change_trigger, sys_days{January / 31 / 2026} + hours{12} + milliseconds{500});
}

TEST(DecodeEndpointSlice, ConditionsThatAreAbsentMeanReadyAndServing) {
  for (const auto* conditions : {"", ", conditions: {}", ", conditions: {ready: null}"}) {
    const auto web = decoded<EndpointSlice>(slice(
        "addressType: IPv4, endpoints: [{addresses: [10.0.0.1]" + std::string{conditions} + "}]"));
    ASSERT_THAT(web.endpoints, SizeIs(1));
    EXPECT_TRUE(web.endpoints[0].ready);
    EXPECT_TRUE(web.endpoints[0].serving);
    EXPECT_FALSE(web.endpoints[0].terminating);
    EXPECT_EQ(web.endpoints[0].node, nullptr);
    EXPECT_EQ(web.endpoints[0].extras, nullptr);
  }
}

TEST(DecodeEndpointSlice, PortsDefaultToTcpAndMayHaveNoNumber) {
  const auto web =
      decoded<EndpointSlice>(slice("addressType: IPv6, ports: [{name: ''}, {name: b, port: 53, "
                                   "protocol: UDP}], endpoints: []"));
  EXPECT_EQ(web.family, Family::v6);
  EXPECT_THAT(web.ports, ElementsAre(SlicePort{"", Protocol::tcp, std::nullopt},
                                     SlicePort{"b", Protocol::udp, Port{53}}));
}

TEST(DecodeEndpointSlice, SlicesOfHostNamesAreSkipped) {
  const auto outcome =
      decode_yaml(slice("addressType: FQDN, endpoints: [{addresses: [db.example.test]}]"));
  ASSERT_TRUE(std::holds_alternative<Skipped>(outcome));
  EXPECT_EQ(std::get<Skipped>(outcome).text(), "discovery.k8s.io/v1 EndpointSlice shop/web-1");
}

TEST(DecodeEndpointSlice, ABadAddressTakesOnlyItsEndpointWithIt) {
  const auto outcome = decode_yaml(
      slice("addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.x]}, "
            "{addresses: ['fd00::1']}, {addresses: []}]"));
  EXPECT_THAT(std::get<EndpointSlice>(std::get<Decoded>(outcome).record).endpoints, SizeIs(1));
  EXPECT_THAT(
      remarks_of(outcome),
      ElementsAre("EndpointSlice shop/web-1: endpoints[1].addresses[0]: \"10.0.0.x\" is not an IP "
                  "address; left out",
                  "EndpointSlice shop/web-1: endpoints[2].addresses[0]: fd00::1 is not of the "
                  "slice's address type; left out",
                  "EndpointSlice shop/web-1: endpoints[3]: has no address; left out"));
}

TEST(DecodeEndpointSlice, WithoutItsAddressTypeItIsRefused) {
  EXPECT_EQ(error_of(decode_yaml(slice("endpoints: []"))),
            "EndpointSlice shop/web-1: addressType: is missing");
  EXPECT_EQ(error_of(decode_yaml(slice("addressType: ipv4"))),
            "EndpointSlice shop/web-1: addressType: \"ipv4\" is not an address type (IPv4, IPv6, "
            "FQDN)");
}

TEST(DecodeEndpointSlice, EndpointsOfTheSameNodeShareItsName) {
  std::vector<SharedText> nodes;
  Decoder decoder;
  for (const auto* name : {"a", "b"}) {
    const auto json =
        std::string{R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{)"} +
        R"("name":")" + name +
        R"("},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"nodeName":"node-a"}]})";
    const auto outcome = decoder.decode_object(json);
    nodes.push_back(std::get<EndpointSlice>(std::get<Decoded>(outcome).record).endpoints[0].node);
  }
  EXPECT_EQ(nodes[0].get(), nodes[1].get());
}

TEST(DecodeEndpoints, NotReadyAddressesAreNeitherReadyNorServing) {
  const auto web = decoded<Endpoints>(R"(
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets:
- addresses:
  - {ip: 10.0.0.1, nodeName: node-a, hostname: web-0, targetRef: {kind: Pod, name: web-0}}
  notReadyAddresses:
  - {ip: 'fd00::1'}
  ports:
  - {port: 8080}
- addresses: [{ip: 10.0.0.3}]
)");
  EXPECT_EQ(web.name, (ObjectName{"default", "web"}));
  ASSERT_THAT(web.subsets, SizeIs(2));
  ASSERT_THAT(web.subsets[0].endpoints, SizeIs(2));
  const auto& ready = web.subsets[0].endpoints[0];
  EXPECT_TRUE(ready.ready && ready.serving && !ready.terminating);
  EXPECT_EQ(*ready.node, "node-a");
  EXPECT_EQ(*ready.target_pod, "web-0");
  EXPECT_EQ(ready.extras->hostname, "web-0");
  const auto& not_ready = web.subsets[0].endpoints[1];
  EXPECT_EQ(not_ready.address, ip("fd00::1"));
  EXPECT_FALSE(not_ready.ready || not_ready.serving || not_ready.terminating);
  EXPECT_THAT(web.subsets[0].ports, ElementsAre(SlicePort{"", Protocol::tcp, Port{8080}}));
  EXPECT_THAT(web.subsets[1].ports, IsEmpty());
}

}  // namespace
}  // namespace proxy::records
