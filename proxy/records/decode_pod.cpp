// core/v1 Pod, as much of it as its services and its DNS names depend on.
#include "proxy/records/kinds.hpp"

namespace proxy::records::json {
namespace {

void read_ports_of(const Fields& container, std::vector<ContainerPort>& ports) {
  const auto list = container["ports"];
  if (!list) return;
  for (const auto& item : list->items()) {
    const auto fields = item.fields();
    ports.push_back({.name = std::string{fields.text("name")},
                     .port = fields.required_port("containerPort"),
                     .protocol = fields.protocol("protocol")});
  }
}

// Of all containers, then of the init containers that go on running beside them (sidecars).
std::vector<ContainerPort> read_container_ports(const Fields& spec) {
  std::vector<ContainerPort> ports;
  if (const auto list = spec["containers"]) {
    for (const auto& item : list->items()) read_ports_of(item.fields(), ports);
  }
  if (const auto list = spec["initContainers"]) {
    for (const auto& item : list->items()) {
      const auto container = item.fields();
      if (container.text("restartPolicy") == "Always") read_ports_of(container, ports);
    }
  }
  return ports;
}

std::vector<IpAddress> read_ips(const Fields& status) {
  std::vector<IpAddress> ips;
  if (const auto list = status["podIPs"]) {
    for (const auto& item : list->items()) {
      const auto fields = item.fields();
      const auto ip = fields["ip"];
      const auto address = ip ? read_address(*ip) : std::nullopt;
      if (address) ips.push_back(*address);
    }
  }
  if (!ips.empty()) return ips;
  const auto single = status["podIP"];
  const auto address = single ? read_address(*single) : std::nullopt;
  if (address) ips.push_back(*address);
  return ips;
}

bool read_ready(const Fields& status) {
  const auto list = status["conditions"];
  if (!list) return false;
  for (const auto& item : list->items()) {
    const auto condition = item.fields();
    if (condition.text("type") == "Ready") return condition.text("status") == "True";
  }
  return false;
}

}  // namespace

Pod read_pod(const ObjectSource& source) {
  Pod pod;
  pod.labels = source.metadata.labels("labels");
  pod.terminating = source.metadata["deletionTimestamp"].has_value();
  const auto spec = source.root.object("spec");
  pod.node = source.shared.get(spec.dns_subdomain("nodeName"));
  pod.hostname = spec.dns_subdomain("hostname");
  pod.subdomain = spec.dns_subdomain("subdomain");
  pod.host_network = spec.boolean("hostNetwork", false);
  pod.ports = read_container_ports(spec);
  const auto status = source.root.object("status");
  pod.ips = read_ips(status);
  pod.ready = read_ready(status);
  const auto phase = status.text("phase");
  pod.finished = phase == "Succeeded" || phase == "Failed";
  return pod;
}

}  // namespace proxy::records::json
