#include "tests/netns/ipvs_lab.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <sstream>

namespace netns {
namespace {

// Services by which the lab knows that changes are in force (Barrier).
bool is_of_the_lab(const std::string& line) {
  return line.find("172.30.255.25") != std::string::npos ||
         line.find("fd00:172:30::fff") != std::string::npos;
}

std::string joined(const std::vector<std::string>& parts, const std::string& by) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : by) + part;
  return out;
}

}  // namespace

std::set<std::string> virtual_servers(const Party& node) {
  std::set<std::string> out;
  std::istringstream lines{run_or_fail(node.net, {"ipvsadm", "-Sn"})};
  for (std::string line; std::getline(lines, line);) {
    if (!is_of_the_lab(line)) out.insert(line);
  }
  return out;
}

std::set<std::string> vip_addresses(const Party& node) {
  std::set<std::string> out;
  std::istringstream lines{run(node.net, {"ip", "-o", "addr", "show", "dev", "kube-ipvs0"}).output};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string number, link, family, address;
    words >> number >> link >> family >> address;
    if (family.starts_with("inet") && !is_of_the_lab(line)) out.insert(address);
  }
  return out;
}

void IpvsLab::make(ProxySettings settings, std::vector<std::string> flags) {
  lab_.emplace(std::move(settings), "ipvs");
  flags.insert(flags.begin(), "--ipvs-sync-period=1s");
  lab_->set_flags(std::move(flags));
}

void IpvsLab::start_web(std::vector<std::string> flags) {
  make(usual_settings(), std::move(flags));
  apply_web();
  apply_endpoints({"10.180.0.1", "10.180.1.1"});
  lab_->start();
  lab_->settle();
  ASSERT_EQ(lab_->wrong(kPodToWeb), "") << said();
}

void IpvsLab::expect_nothing_left() {
  EXPECT_THAT(run(lab_->node().net, {"ipvsadm", "-Sn"}).output, testing::IsEmpty());
  EXPECT_NE(run(lab_->node().net, {"ip", "link", "show", "kube-ipvs0"}).status, 0);
  EXPECT_THAT(sh("nft list tables"), testing::Not(testing::HasSubstr("viaduct-ipvs")));
}

void IpvsLab::apply_web(const std::string& more_of_spec, const std::string& annotations) {
  lab_->apply(
      "{apiVersion: v1, kind: Service, metadata: {namespace: ns1, name: web, annotations: " +
      annotations +
      "}, spec: {type: NodePort, clusterIP: 172.30.0.41, clusterIPs: [172.30.0.41], "
      "ipFamilies: [IPv4], ports: [{name: http, port: 80, protocol: TCP, targetPort: 80, "
      "nodePort: 30001}]" +
      more_of_spec + "}}");
}

void IpvsLab::apply_endpoints(const std::vector<std::string>& ips) {
  std::vector<std::string> endpoints;
  for (const auto& ip : ips) {
    const bool local = ip.starts_with("10.180.0.");
    endpoints.push_back("{addresses: [" + ip + "], nodeName: " + (local ? "node-a" : "node-b") +
                        "}");
  }
  lab_->apply(
      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: ns1, "
      "name: web-4, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, ports: "
      "[{name: http, port: 80, protocol: TCP}], endpoints: [" +
      joined(endpoints, ", ") + "]}");
}

bool IpvsLab::comes_true(const std::function<bool()>& condition, std::chrono::seconds usual) {
  const auto deadline = std::chrono::steady_clock::now() + patience(usual);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

}  // namespace netns
