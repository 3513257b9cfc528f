#include "proxy/state/service_ports.hpp"

#include <algorithm>
#include <string_view>

namespace proxy::state {
namespace {

using records::Service;
using records::ServiceType;

constexpr std::string_view kOtherProxyLabel = "service.kubernetes.io/service-proxy-name";
constexpr std::string_view kOurAnnotations = "viaduct.io/";

bool holds(const auto& range, const auto& value) {
  return std::ranges::find(range, value) != range.end();
}

void sort_unique(auto& values) {
  std::ranges::sort(values);
  const auto [rest, end] = std::ranges::unique(values);
  values.erase(rest, end);
  values.shrink_to_fit();
}

// The API server refuses these as external IPs; in files nobody does, and a Service that captured
// loopback or link-local addresses would cut the node off from itself.
bool is_special(const IpAddress& address) {
  return address.is_unspecified() || address.is_loopback() || address.is_link_local() ||
         address.is_multicast();
}

// A Service has one cluster IP per family it names; one that names none has those it was given.
std::optional<IpAddress> cluster_ip(const Service& service, Family family) {
  if (!service.ip_families.empty() && !holds(service.ip_families, family)) return std::nullopt;
  const auto found = std::ranges::find(service.cluster_ips, family, &IpAddress::family);
  if (found == service.cluster_ips.end() || found->is_unspecified()) return std::nullopt;
  return *found;
}

// As Kubernetes asks it of the whole Service; whether there is an external VIP of one family yet
// is ServicePort::externally_accessible().
bool may_be_used_from_outside(const Service& service) {
  return service.type == ServiceType::load_balancer || service.type == ServiceType::node_port ||
         !service.external_ips.empty();
}

std::vector<IpAddress> load_balancer_ips(const Service& service, Family family) {
  std::vector<IpAddress> ips;
  if (service.type != ServiceType::load_balancer) return ips;
  for (const auto& ingress : service.load_balancer_ingress) {
    if (!ingress.ip || !ingress.is_vip || ingress.ip->family() != family) continue;
    if (!ingress.ip->is_unspecified()) ips.push_back(*ingress.ip);
  }
  sort_unique(ips);
  return ips;
}

std::vector<IpAddress> external_ips(const Service& service, Family family) {
  std::vector<IpAddress> ips;
  for (const auto& ip : service.external_ips) {
    if (ip.family() == family && !is_special(ip)) ips.push_back(ip);
  }
  sort_unique(ips);
  return ips;
}

std::optional<std::vector<IpPrefix>> source_ranges(const Service& service, Family family) {
  if (service.type != ServiceType::load_balancer) return std::nullopt;
  std::vector<IpPrefix> ranges;
  for (const auto& range : service.load_balancer_source_ranges) {
    if (range.family() != family) continue;
    if (range.length == 0) return std::nullopt;
    ranges.push_back(range);
  }
  if (ranges.empty()) return std::nullopt;
  sort_unique(ranges);
  return ranges;
}

records::Labels our_annotations(const Service& service) {
  records::Labels ours;
  for (auto at = service.annotations.lower_bound(std::string{kOurAnnotations});
       at != service.annotations.end() && at->first.starts_with(kOurAnnotations); ++at) {
    ours.insert(ours.end(), *at);
  }
  return ours;
}

// What all ports of the Service in one family have in common.
std::optional<ServicePort> common_part(const Service& service, Family family) {
  const auto ip = cluster_ip(service, family);
  if (!ip) return std::nullopt;

  ServicePort port;
  port.cluster_ip = *ip;
  port.load_balancer_ips = load_balancer_ips(service, family);
  port.external_ips = external_ips(service, family);
  port.source_ranges = source_ranges(service, family);
  port.internal_policy = service.internal_policy;
  if (may_be_used_from_outside(service)) port.external_policy = service.external_policy;
  port.affinity = service.client_ip_affinity;
  if (service.type == ServiceType::load_balancer && port.external_policy == TrafficPolicy::local) {
    port.health_check_node_port = service.health_check_node_port;
  }
  port.annotations = our_annotations(service);

  // One address in two roles is one VIP. As load-balancer IP it has the source ranges, which
  // kube-proxy too enforces whatever else the address is.
  std::erase(port.load_balancer_ips, port.cluster_ip);
  std::erase_if(port.external_ips, [&](const IpAddress& external) {
    return external == port.cluster_ip || holds(port.load_balancer_ips, external);
  });
  return port;
}

void remark_on_addresses(const Service& service, std::vector<std::string>& remarks) {
  for (const auto& ip : service.cluster_ips) {
    if (cluster_ip(service, ip.family()) != ip) {
      remarks.push_back("spec.clusterIPs: " + ip.text() +
                        " is not used: spec.ipFamilies does not " +
                        "name its family, or another address has it already");
    }
  }
  for (const auto& ip : service.external_ips) {
    if (is_special(ip)) {
      remarks.push_back("spec.externalIPs: " + ip.text() +
                        " is unspecified, loopback, link-local or multicast and can't be a VIP");
    } else if (!cluster_ip(service, ip.family())) {
      remarks.push_back("spec.externalIPs: " + ip.text() + " has no cluster IP of its family");
    }
  }
  if (service.type != ServiceType::load_balancer) return;
  for (const auto& ingress : service.load_balancer_ingress) {
    if (ingress.ip && ingress.is_vip && !cluster_ip(service, ingress.ip->family())) {
      remarks.push_back("status.loadBalancer.ingress: " + ingress.ip->text() +
                        " has no cluster IP of its family");
    }
  }
}

// The ports that can be forwarded: the API server lets no other through, a file may hold any.
std::vector<const records::ServicePortSpec*> usable_ports(const Service& service,
                                                          std::vector<std::string>& remarks) {
  std::vector<const records::ServicePortSpec*> usable;
  for (const auto& port : service.ports) {
    const auto where = "spec.ports[" + std::to_string(&port - service.ports.data()) + "]: ";
    if (port.port == Port{0}) {
      remarks.push_back(where + "port is missing");
    } else if (std::ranges::any_of(usable, [&](const auto* other) {
                 return other->name == port.name && other->protocol == port.protocol;
               })) {
      remarks.push_back(where + "an earlier port has the same name \"" + port.name +
                        "\" and protocol");
    } else {
      usable.push_back(&port);
    }
  }
  return usable;
}

}  // namespace

bool is_forwarded(const Service& service) {
  return service.type != ServiceType::external_name && !service.headless &&
         !service.cluster_ips.empty() && !service.labels.contains(std::string{kOtherProxyLabel});
}

WantedPorts wanted_ports(const Service& service) {
  WantedPorts wanted;
  if (!is_forwarded(service)) return wanted;
  remark_on_addresses(service, wanted.remarks);

  const auto specs = usable_ports(service, wanted.remarks);
  const bool has_node_ports =
      service.type == ServiceType::node_port || service.type == ServiceType::load_balancer;
  for (const auto family : kFamilies) {
    const auto common = common_part(service, family);
    if (!common) continue;
    for (const auto* spec : specs) {
      auto& [name, port] = wanted.ports.emplace_back();
      name = {service.name, spec->name, spec->protocol, family};
      port = *common;
      port.port = spec->port;
      if (has_node_ports) port.node_port = spec->node_port;
    }
  }
  std::ranges::sort(wanted.ports, {}, &WantedPort::name);
  return wanted;
}

}  // namespace proxy::state
