#include "tests/proxy/records/decoding.hpp"

#include <gmock/gmock.h>

namespace proxy::records {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

IpAddress ip(std::string_view text) {
  return *parse_ip(text);
}

// A Service of which only the spec matters.
std::string service(std::string_view spec) {
  return "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {" +
         std::string{spec} + "}}";
}

TEST(DecodeService, ReadsEveryFieldThatForwardingDependsOn) {
  const auto web = decoded<Service>(R"(
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  labels: {app: web, service.kubernetes.io/service-proxy-name: mesh}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.7
  clusterIPs: [10.96.0.7, 'fd00::7']
  ipFamilies: [IPv4, IPv6]
  selector: {app: web}
  ports:
  - {name: http, protocol: TCP, port: 80, targetPort: 8080, nodePort: 30080}
  - {name: dns, protocol: UDP, port: 53, targetPort: dns-udp}
  externalIPs: [192.0.2.1]
  loadBalancerSourceRanges: [203.0.113.0/24]
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}
  internalTrafficPolicy: Local
  externalTrafficPolicy: Local
  healthCheckNodePort: 32000
  publishNotReadyAddresses: true
status:
  loadBalancer:
    ingress:
    - {ip: 198.51.100.1, ipMode: VIP}
    - {ip: 198.51.100.2, ipMode: Proxy}
    - {hostname: lb.example.test}
)");
  EXPECT_EQ(web.name, (ObjectName{"shop", "web"}));
  EXPECT_THAT(web.labels, ElementsAre(Pair("app", "web"),
                                      Pair("service.kubernetes.io/service-proxy-name", "mesh")));
  EXPECT_EQ(web.type, ServiceType::load_balancer);
  EXPECT_THAT(web.cluster_ips, ElementsAre(ip("10.96.0.7"), ip("fd00::7")));
  EXPECT_THAT(web.ip_families, ElementsAre(Family::v4, Family::v6));
  EXPECT_THAT(web.selector, ElementsAre(Pair("app", "web")));
  EXPECT_THAT(web.ports,
              ElementsAre(ServicePortSpec{"http", Protocol::tcp, {80}, Port{30080}, Port{8080}},
                          ServicePortSpec{"dns", Protocol::udp, {53}, {}, "dns-udp"}));
  EXPECT_THAT(web.external_ips, ElementsAre(ip("192.0.2.1")));
  EXPECT_THAT(web.load_balancer_source_ranges, ElementsAre(*parse_prefix("203.0.113.0/24")));
  EXPECT_THAT(web.load_balancer_ingress, ElementsAre(LoadBalancerIngress{ip("198.51.100.1"), true},
                                                     LoadBalancerIngress{ip("198.51.100.2"), false},
                                                     LoadBalancerIngress{std::nullopt, true}));
  EXPECT_EQ(web.client_ip_affinity, seconds{600});
  EXPECT_EQ(web.internal_policy, TrafficPolicy::local);
  EXPECT_EQ(web.external_policy, TrafficPolicy::local);
  EXPECT_EQ(web.health_check_node_port, Port{32000});
  EXPECT_TRUE(web.publish_not_ready_addresses);
}

TEST(DecodeService, FillsInWhatTheApiServerWould) {
  const auto web = decoded<Service>(service("clusterIP: 10.96.0.7, ports: [{port: 80}]"));
  EXPECT_EQ(web.type, ServiceType::cluster_ip);
  EXPECT_THAT(web.ports, ElementsAre(ServicePortSpec{"", Protocol::tcp, {80}, {}, Port{80}}));
  EXPECT_EQ(web.client_ip_affinity, std::nullopt);
  EXPECT_EQ(web.internal_policy, TrafficPolicy::cluster);
  EXPECT_EQ(web.external_policy, TrafficPolicy::cluster);
  EXPECT_EQ(web.health_check_node_port, std::nullopt);
  EXPECT_FALSE(web.publish_not_ready_addresses);
}

TEST(DecodeService, SessionAffinityLastsThreeHoursUnlessTold) {
  EXPECT_EQ(decoded<Service>(service("sessionAffinity: ClientIP")).client_ip_affinity,
            seconds{10800});
  EXPECT_EQ(decoded<Service>(service("sessionAffinity: None")).client_ip_affinity, std::nullopt);
  EXPECT_EQ(
      error_of(decode_yaml(service("sessionAffinity: ClientIP, "
                                   "sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}"))),
      "Service shop/web: spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not a "
      "time-out (1 to 86400 seconds)");
}

TEST(DecodeService, ClusterIpNoneMakesItHeadless) {
  for (const auto* spec : {"clusterIP: None", "clusterIP: None, clusterIPs: [None]"}) {
    const auto headless = decoded<Service>(service(spec));
    EXPECT_TRUE(headless.headless);
    EXPECT_THAT(headless.cluster_ips, IsEmpty());
  }
}

TEST(DecodeService, WithoutAnAddressYetItHasNoClusterIps) {
  const auto pending = decoded<Service>(service("clusterIP: '', ports: [{port: 80}]"));
  EXPECT_FALSE(pending.headless);
  EXPECT_THAT(pending.cluster_ips, IsEmpty());
}

TEST(DecodeService, ExternalNameKeepsTheName) {
  const auto away = decoded<Service>(service("type: ExternalName, externalName: db.example.test"));
  EXPECT_EQ(away.type, ServiceType::external_name);
  EXPECT_EQ(away.external_name, "db.example.test");
  EXPECT_EQ(
      decoded<Service>(service("type: ExternalName, externalName: db.example.test.")).external_name,
      "db.example.test.");
  EXPECT_EQ(
      decoded<Service>(service("type: ExternalName, externalName: DB.Example.test")).external_name,
      "DB.Example.test");
  EXPECT_EQ(error_of(decode_yaml(service("type: ExternalName, externalName: \"a\\nb\""))),
            "Service shop/web: spec.externalName: \"a\\nb\" is not a DNS name");
}

TEST(DecodeService, NullIsAsGoodAsAbsent) {
  const auto web = decoded<Service>(
      service("clusterIP: null, ports: null, selector: null, externalIPs: ~, sessionAffinity: ~"));
  EXPECT_THAT(web.ports, IsEmpty());
  EXPECT_THAT(web.selector, IsEmpty());
}

TEST(DecodeService, AddressesWithLeadingZerosAreDecimal) {
  const auto padded = decoded<Service>(
      service("clusterIP: 172.30.0.041, externalIPs: [192.168.099.022], "
              "loadBalancerSourceRanges: [' 203.0.113.000/025', \"10.0.0.0/8\\t\"]"));
  EXPECT_THAT(padded.cluster_ips, ElementsAre(ip("172.30.0.41")));
  EXPECT_THAT(padded.external_ips, ElementsAre(ip("192.168.99.22")));
  EXPECT_THAT(padded.load_balancer_source_ranges,
              ElementsAre(*parse_prefix("203.0.113.0/25"), *parse_prefix("10.0.0.0/8")));
}

TEST(DecodeService, OneBadExternalIpIsLeftOutAndTheOthersStay) {
  const auto outcome =
      decode_yaml(service("clusterIP: 10.96.0.7, externalIPs: [192.0.2.1, 192.0.2.300, '']"));
  EXPECT_THAT(std::get<Service>(std::get<Decoded>(outcome).record).external_ips,
              ElementsAre(ip("192.0.2.1")));
  EXPECT_THAT(remarks_of(outcome),
              ElementsAre("Service shop/web: spec.externalIPs[1]: \"192.0.2.300\" is not an IP "
                          "address; left out"));
}

TEST(DecodeService, SourceRangesOfWhichNoneIsOneAreRefusedRatherThanOpenToAll) {
  EXPECT_EQ(error_of(decode_yaml(service("loadBalancerSourceRanges: [203.0.113.0]"))),
            "Service shop/web: spec.loadBalancerSourceRanges: none of them is a CIDR "
            "(address/bits)");
  EXPECT_THAT(
      decoded<Service>(service("loadBalancerSourceRanges: ['', ' ']")).load_balancer_source_ranges,
      IsEmpty());
}

TEST(DecodeService, ErrorsNameTheObjectAndTheFieldWithItsPlace) {
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: 80}, {name: b, port: 70000}]"))),
            "Service shop/web: spec.ports[1].port: 70000 is not a port");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: 0}]"))),
            "Service shop/web: spec.ports[0].port: 0 is not a port");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: -1}]"))),
            "Service shop/web: spec.ports[0].port: -1 is not a port");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: 18446744073709551615}]"))),
            "Service shop/web: spec.ports[0].port: 18446744073709551615 is not a port");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: '80'}]"))),
            "Service shop/web: spec.ports[0].port: expected a port, not a string");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: 80.5}]"))),
            "Service shop/web: spec.ports[0].port: expected a port, not a number");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{name: http}]"))),
            "Service shop/web: spec.ports[0].port: is missing");
  EXPECT_EQ(error_of(decode_yaml(service("ports: {port: 80}"))),
            "Service shop/web: spec.ports: expected an array, not an object");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: 80, protocol: tcp}]"))),
            "Service shop/web: spec.ports[0].protocol: \"tcp\" is not a protocol (TCP, UDP, SCTP)");
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: 80, name: My_Port}]"))),
            "Service shop/web: spec.ports[0].name: \"My_Port\" is not a DNS label");
  EXPECT_EQ(error_of(decode_yaml(service("clusterIP: 10.96.0.999"))),
            "Service shop/web: spec.clusterIP: \"10.96.0.999\" is not an IP address");
  EXPECT_EQ(error_of(decode_yaml(service("type: Nodeport"))),
            "Service shop/web: spec.type: \"Nodeport\" is not a type of Service");
  EXPECT_EQ(error_of(decode_yaml(service("selector: {app: 1}"))),
            "Service shop/web: spec.selector.app: expected a string, not a number");
  EXPECT_EQ(error_of(decode_yaml(service("internalTrafficPolicy: local"))),
            "Service shop/web: spec.internalTrafficPolicy: \"local\" is not a traffic policy");
}

TEST(DecodeService, ATargetPortIsANumberOrANameThatAPodCanHave) {
  const auto target = [](std::string_view value) {
    return decoded<Service>(service("ports: [{port: 80, targetPort: " + std::string{value} + "}]"))
        .ports.at(0)
        .target_port;
  };
  EXPECT_EQ(target("8080"), (std::variant<Port, std::string>{Port{8080}}));
  EXPECT_EQ(target("http"), (std::variant<Port, std::string>{"http"}));
  EXPECT_EQ(target("0"), (std::variant<Port, std::string>{Port{80}}));
  EXPECT_EQ(target("''"), (std::variant<Port, std::string>{Port{80}}));
  EXPECT_EQ(error_of(decode_yaml(service("ports: [{port: 80, targetPort: '8080'}]"))),
            "Service shop/web: spec.ports[0].targetPort: \"8080\" is not the name of a port");
}

TEST(DecodeService, AnnotationsOfOthersAreNotKept) {
  const auto web = decoded<Service>(R"(
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    viaduct.io/weight: '3'
    kubectl.kubernetes.io/last-applied-configuration: '{"kind":"Service"}'
)");
  EXPECT_THAT(web.annotations, ElementsAre(Pair("viaduct.io/weight", "3")));
}

}  // namespace
}  // namespace proxy::records
