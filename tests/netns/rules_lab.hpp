// A lab with services of every kind whose rules the iptables mode writes.
#pragma once

#include "tests/netns/daemon_lab.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace netns {

inline constexpr const char* kServices = R"(
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: web}
spec:
  type: LoadBalancer
  clusterIP: 172.30.0.41
  clusterIPs: [172.30.0.41, 'fd00:172:30::41']
  ipFamilies: [IPv4, IPv6]
  externalIPs: [192.168.99.22, '2001:db8:99::22']
  loadBalancerSourceRanges: [203.0.113.0/25, '2001:db8:cb00::/64']
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}
  ports:
  - {name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30001}
  - {name: dns, port: 53, protocol: UDP, targetPort: 53, nodePort: 30002}
  - {name: sig, port: 3868, protocol: SCTP, targetPort: 3868, nodePort: 30003}
status:
  loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: '2001:db8:c633::1'}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: local}
spec:
  type: LoadBalancer
  clusterIP: 172.30.0.42
  clusterIPs: [172.30.0.42, 'fd00:172:30::42']
  ipFamilies: [IPv4, IPv6]
  externalTrafficPolicy: Local
  internalTrafficPolicy: Local
  healthCheckNodePort: 32000
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30004}]
status:
  loadBalancer: {ingress: [{ip: 198.51.100.2}, {ip: '2001:db8:c633::2'}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: empty}
spec:
  type: NodePort
  clusterIP: 172.30.0.43
  clusterIPs: [172.30.0.43, 'fd00:172:30::43']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80, nodePort: 30005}]
---
apiVersion: v1
kind: Service
metadata: {namespace: ns1, name: away}
spec:
  type: ClusterIP
  clusterIP: 172.30.0.45
  clusterIPs: [172.30.0.45, 'fd00:172:30::45']
  ipFamilies: [IPv4, IPv6]
  internalTrafficPolicy: Local
  ports: [{name: http, port: 80, protocol: TCP, targetPort: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: away-4, labels: {kubernetes.io/service-name: away}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.180.1.2], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: away-6, labels: {kubernetes.io/service-name: away}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: ['fd00:10:180:1::2'], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-4, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP}, {name: sig, port: 3868, protocol: SCTP}]
endpoints: [{addresses: [10.180.0.1], nodeName: node-a}, {addresses: [10.180.1.1], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: web-6, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP}, {name: sig, port: 3868, protocol: SCTP}]
endpoints: [{addresses: ['fd00:10:180::1'], nodeName: node-a}, {addresses: ['fd00:10:180:1::1'], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: local-4, labels: {kubernetes.io/service-name: local}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.180.0.2], nodeName: node-a}, {addresses: [10.180.1.2], nodeName: node-b}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns1, name: local-6, labels: {kubernetes.io/service-name: local}}
addressType: IPv6
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: ['fd00:10:180::2'], nodeName: node-a}, {addresses: ['fd00:10:180:1::2'], nodeName: node-b}]
)";

class RulesLab : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    lab_.emplace(usual_settings(), "iptables");
  }
  void start_with_services() {
    lab_->apply(kServices);
    lab_->start();
    lab_->settle();
  }
  std::optional<DaemonLab> lab_;
};

}  // namespace netns
