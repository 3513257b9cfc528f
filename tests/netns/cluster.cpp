#include "tests/netns/cluster.hpp"

#include "tests/netns/yaml_to_json.hpp"

#include <fstream>
#include <string>
#include <vector>

namespace netns {
namespace {

std::string file_name(const ObjectKey& key) {
  return key.kind + "." + key.name_space + "." + key.name + ".json";
}

std::string list_of_strings(const std::vector<std::string>& texts) {
  std::string result;
  for (const auto& text : texts) result += (result.empty() ? "" : ",") + json_string(text);
  return "[" + result + "]";
}

Object node(const ProxySettings& proxy) {
  std::string labels = R"("kubernetes.io/hostname":)" + json_string(proxy.node_name);
  if (proxy.zone) labels += R"(,"topology.kubernetes.io/zone":)" + json_string(*proxy.zone);
  std::string spec;
  if (!proxy.node_pod_cidrs.empty()) {
    spec = R"("podCIDR":)" + json_string(proxy.node_pod_cidrs.front()) + R"(,"podCIDRs":)" +
           list_of_strings(proxy.node_pod_cidrs);
  }
  return {.key = {.kind = "Node", .name_space = "", .name = proxy.node_name},
          .json = R"({"apiVersion":"v1","kind":"Node","metadata":{"name":)" +
                  json_string(proxy.node_name) + R"(,"labels":{)" + labels + R"(}},"spec":{)" +
                  spec +
                  R"(},"status":{"addresses":[{"type":"InternalIP","address":"192.168.0.2"},)" +
                  R"({"type":"InternalIP","address":"2001:db8::2"}]}})"};
}

Object service_cidrs(const std::vector<std::string>& cidrs) {
  return {.key = {.kind = "ServiceCIDR", .name_space = "", .name = "kubernetes"},
          .json = R"({"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR","metadata":)"
                  R"({"name":"kubernetes"},"spec":{"cidrs":)" +
                  list_of_strings(cidrs) + "}}"};
}

Object name_space(const std::string& name) {
  return {.key = {.kind = "Namespace", .name_space = "", .name = name},
          .json = R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":)" +
                  json_string(name) + "}}"};
}

}  // namespace

Cluster::Cluster(std::filesystem::path folder) : folder_{std::move(folder)} {
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
}

void Cluster::apply(const Object& object) const {
  // Written beside the folder and moved in: whoever watches the folder sees whole files only.
  const auto draft = folder_.string() + ".draft";
  std::ofstream{draft} << object.json << '\n';
  std::filesystem::rename(draft, folder_ / file_name(object.key));
}

void Cluster::remove(const ObjectKey& key) const {
  std::filesystem::remove(folder_ / file_name(key));
}

void Cluster::apply_surroundings(const ProxySettings& proxy) const {
  apply(node(proxy));
  if (!proxy.service_cidrs.empty()) apply(service_cidrs(proxy.service_cidrs));
  for (char number = '1'; number <= '6'; ++number) apply(name_space(std::string{"ns"} + number));
}

}  // namespace netns
