#include "tests/proxy/records/decoding.hpp"

#include <gmock/gmock.h>

namespace proxy::records {
namespace {

using testing::ElementsAre;
using testing::Pair;

IpAddress ip(std::string_view text) {
  return *parse_ip(text);
}

TEST(DecodePod, ReadsWhatItsServicesDependOn) {
  const auto pod = decoded<Pod>(R"(
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec:
  nodeName: node-a
  hostname: web-0
  subdomain: web
  hostNetwork: true
  initContainers:
  - {name: once, ports: [{name: setup, containerPort: 1}]}
  - {name: mesh, restartPolicy: Always, ports: [{name: admin, containerPort: 15000}]}
  containers:
  - {name: web, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}
  - {name: bare}
status:
  phase: Running
  podIP: 10.0.0.1
  podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]
  conditions: [{type: Initialized, status: 'False'}, {type: Ready, status: 'True'}]
)");
  EXPECT_EQ(pod.name, (ObjectName{"shop", "web-0"}));
  EXPECT_THAT(pod.labels, ElementsAre(Pair("app", "web")));
  EXPECT_EQ(*pod.node, "node-a");
  EXPECT_EQ(pod.hostname, "web-0");
  EXPECT_EQ(pod.subdomain, "web");
  EXPECT_TRUE(pod.host_network);
  EXPECT_TRUE(pod.ready);
  EXPECT_FALSE(pod.finished);
  EXPECT_FALSE(pod.terminating);
  EXPECT_THAT(pod.ips, ElementsAre(ip("10.0.0.1"), ip("fd00::1")));
  EXPECT_THAT(pod.ports, ElementsAre(ContainerPort{"http", {8080}, Protocol::tcp},
                                     ContainerPort{"dns", {53}, Protocol::udp},
                                     ContainerPort{"admin", {15000}, Protocol::tcp}));
}

TEST(DecodePod, WithoutStatusItIsNotReadyAndHasNoAddress) {
  const auto pod = decoded<Pod>("{apiVersion: v1, kind: Pod, metadata: {name: a}}");
  EXPECT_FALSE(pod.ready);
  EXPECT_TRUE(pod.ips.empty());
}

TEST(DecodePod, PodIpAloneIsEnough) {
  EXPECT_THAT(decoded<Pod>("{apiVersion: v1, kind: Pod, metadata: {name: a}, "
                           "status: {podIP: 10.0.0.1}}")
                  .ips,
              ElementsAre(ip("10.0.0.1")));
}

TEST(DecodePod, TellsFinishedAndTerminatingOnes) {
  EXPECT_TRUE(decoded<Pod>("{apiVersion: v1, kind: Pod, metadata: {name: a}, "
                           "status: {phase: Succeeded}}")
                  .finished);
  EXPECT_TRUE(decoded<Pod>("{apiVersion: v1, kind: Pod, metadata: {name: a, deletionTimestamp: "
                           "2026-01-01T00:00:00Z}}")
                  .terminating);
}

TEST(DecodeNode, ReadsAddressesCidrsAndTaints) {
  const auto node = decoded<Node>(R"(
apiVersion: v1
kind: Node
metadata:
  name: node-a.example.test
  labels: {topology.kubernetes.io/zone: a}
  deletionTimestamp: '2026-01-01T00:00:00Z'
spec:
  podCIDR: 10.1.0.0/24
  podCIDRs: [10.1.0.0/24, 'fd00::/64']
  taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]
status:
  addresses:
  - {type: Hostname, address: node-a}
  - {type: InternalIP, address: 192.168.0.2}
  - {type: ExternalIP, address: 203.0.113.7}
  - {type: InternalIP, address: '2001:db8::2'}
)");
  EXPECT_EQ(node.name, (ObjectName{"", "node-a.example.test"}));
  EXPECT_THAT(node.labels, ElementsAre(Pair("topology.kubernetes.io/zone", "a")));
  EXPECT_THAT(node.ips, ElementsAre(ip("192.168.0.2"), ip("2001:db8::2"), ip("203.0.113.7")));
  EXPECT_THAT(node.pod_cidrs,
              ElementsAre(*parse_prefix("10.1.0.0/24"), *parse_prefix("fd00::/64")));
  EXPECT_THAT(node.taints, ElementsAre("node.kubernetes.io/unschedulable"));
  EXPECT_TRUE(node.being_deleted);
}

TEST(DecodeNode, PodCidrAloneIsEnough) {
  EXPECT_THAT(decoded<Node>("{apiVersion: v1, kind: Node, metadata: {name: a}, "
                            "spec: {podCIDR: 10.1.0.0/24}}")
                  .pod_cidrs,
              ElementsAre(*parse_prefix("10.1.0.0/24")));
}

TEST(DecodeNamespace, HasANameAndNoNamespace) {
  EXPECT_EQ(decoded<Namespace>("{apiVersion: v1, kind: Namespace, metadata: {name: shop, "
                               "namespace: ignored}}")
                .name,
            (ObjectName{"", "shop"}));
}

TEST(DecodeServiceCidr, IsReadInBothVersions) {
  for (const auto* version : {"v1", "v1beta1"}) {
    const auto cidr = decoded<ServiceCidr>(
        "{apiVersion: networking.k8s.io/" + std::string{version} +
        ", kind: ServiceCIDR, metadata: {name: kubernetes}, spec: {cidrs: [10.96.0.0/16, "
        "'fd00:96::/112']}}");
    EXPECT_THAT(cidr.cidrs,
                ElementsAre(*parse_prefix("10.96.0.0/16"), *parse_prefix("fd00:96::/112")));
  }
}

}  // namespace
}  // namespace proxy::records
