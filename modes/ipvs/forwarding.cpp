#include "modes/ipvs/forwarding.hpp"

#include <algorithm>

namespace modes::ipvs {
namespace {

using proxy::state::EndpointList;
using proxy::state::ServicePort;
using proxy::state::ServicePortName;
using proxy::state::TrafficPolicy;

constexpr const char* kSchedulerAnnotation = "viaduct.io/ipvs-scheduler";

// Under Local with nobody on this node the endpoints of Cluster serve, as kube-proxy's ipvs mode
// has it: a pod of this node reaches them; the answer to an outside client does not come back by
// way of us.
const EndpointList& endpoints_under(TrafficPolicy policy, const ServicePort& port) {
  const bool local = policy == TrafficPolicy::local && !port.local_endpoints.empty();
  return local ? port.local_endpoints : port.cluster_endpoints;
}

class Builder {
 public:
  Builder(const ServicePortName& name, const ServicePort& port, const Settings& settings,
          const NodeFacts& node)
      : name_{name}, port_{port}, settings_{settings}, node_{node} {}

  Forwarding build() && {
    choose_scheduler();
    add_vip(port_.cluster_ip, Fate::cluster_ip, port_.internal_policy);
    out_.silent.insert(port_.cluster_ip);
    const bool local = port_.external_policy == TrafficPolicy::local;
    for (const auto& ip : port_.external_ips) {
      add_vip(ip, local ? Fate::local : Fate::external, port_.external_policy);
    }
    for (const auto& ip : port_.load_balancer_ips) add_load_balancer(ip, local);
    for (const auto& ip : port_.external_ips) out_.silent.erase(ip);
    add_node_port(local);
    if (port_.health_check_node_port) {
      out_.node_ports.emplace(std::pair{Protocol::tcp, *port_.health_check_node_port},
                              Fate::health);
    }
    return std::move(out_);
  }

 private:
  void choose_scheduler() {
    server_.scheduler = settings_.scheduler;
    server_.persistence = port_.affinity.value_or(std::chrono::seconds{0});
    const auto annotation = port_.annotations.find(kSchedulerAnnotation);
    if (annotation == port_.annotations.end()) return;
    auto scheduler = parse_scheduler(annotation->second);
    if (scheduler) {
      server_.scheduler = std::move(*scheduler);
    } else {
      out_.complaint = std::string{kSchedulerAnnotation} + ": " + scheduler.error().text();
    }
  }

  VirtualServerKey add_server(const IpAddress& ip, Port port, TrafficPolicy policy) {
    const VirtualServerKey key{ip, port, name_.protocol};
    auto& server = out_.servers[key] = server_;
    const auto& endpoints = endpoints_under(policy, port_);
    server.real_servers.reserve(endpoints.size());
    for (const auto& endpoint : endpoints) server.real_servers.push_back({endpoint});
    return key;
  }

  VirtualServerKey add_vip(const IpAddress& ip, Fate fate, TrafficPolicy policy) {
    const auto key = add_server(ip, port_.port, policy);
    out_.vips[key] = fate;
    // An address that the node has anyway stays where it is.
    if (!std::ranges::binary_search(node_.addresses, ip)) out_.addresses.insert(ip);
    return key;
  }

  void add_load_balancer(const IpAddress& ip, bool local) {
    out_.silent.insert(ip);
    if (!port_.source_ranges) {
      add_vip(ip, local ? Fate::local : Fate::external, port_.external_policy);
      return;
    }
    const auto key =
        add_vip(ip, local ? Fate::ranges_local : Fate::ranges_external, port_.external_policy);
    auto ranges = *port_.source_ranges;
    // Programs on the node come from the VIP itself, which is an address of the node.
    const bool from_node = std::ranges::any_of(ranges, [&](const IpPrefix& range) {
      return std::ranges::any_of(node_.primary_ips,
                                 [&](const IpAddress& own) { return range.contains(own); });
    });
    if (from_node) ranges.push_back(IpPrefix::host(ip));
    for (const auto& range : ranges) {
      if (!within_another(range, ranges)) out_.sources.insert({key, range});
    }
  }

  // The kernel takes no intervals that overlap; prefixes do only when one holds the other.
  static bool within_another(const IpPrefix& range, const std::vector<IpPrefix>& all) {
    return std::ranges::any_of(all, [&](const IpPrefix& other) {
      return other.length < range.length && other.contains(range.address);
    });
  }

  void add_node_port(bool local) {
    if (!port_.node_port) return;
    for (const auto& ip : node_port_addresses(name_.family, settings_, node_)) {
      add_server(ip, *port_.node_port, port_.external_policy);
    }
    out_.node_ports[{name_.protocol, *port_.node_port}] = local ? Fate::local : Fate::external;
  }

  const ServicePortName& name_;
  const ServicePort& port_;
  const Settings& settings_;
  const NodeFacts& node_;
  VirtualServer server_;
  Forwarding out_;
};

}  // namespace

std::vector<IpAddress> node_port_addresses(Family family, const Settings& settings,
                                           const NodeFacts& node) {
  const auto limits = settings.node_port_addresses.limits(family, node.primary_ips);
  std::vector<IpAddress> out;
  for (const auto& ip : node.addresses) {
    const bool within = limits.empty() || std::ranges::any_of(limits, [&](const auto& limit) {
                          return limit.contains(ip);
                        });
    if (ip.family() == family && !ip.is_loopback() && within) out.push_back(ip);
  }
  std::ranges::sort(out);
  return out;
}

Forwarding forwarding_of(const ServicePortName& name, const ServicePort& port,
                         const Settings& settings, const NodeFacts& node) {
  return Builder{name, port, settings, node}.build();
}

}  // namespace modes::ipvs
