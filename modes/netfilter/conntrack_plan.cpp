#include "modes/netfilter/conntrack_plan.hpp"

#include <algorithm>
#include <iterator>
#include <set>

namespace modes::netfilter {
namespace {

using Scope = ConntrackRule::Scope;

std::size_t index(Family family) {
  return static_cast<std::size_t>(family);
}

// Linux, from 5.8 (when filters came) to 6.18 at least, compares IPv6 addresses the wrong way
// round: a filter with one lets through every flow but those it names. So none has one.
bool can_filter_by_address(Family family) {
  return family == Family::v4;
}

ConntrackWalk narrowest_walk(const ConntrackRule& rule) {
  const auto family = rule.address.family();
  const bool by_address = rule.scope == Scope::one_address && can_filter_by_address(family);
  ConntrackWalk walk;
  walk.family = family;
  if (by_address) walk.destination = rule.address;
  walk.destination_port = rule.port;
  // Only if the filter says all that the rule does; it can't say "an address of this node" either.
  walk.delete_all = rule.keep.empty() && (by_address || rule.scope == Scope::every_address);
  return walk;
}

// What lets through whatever either would.
ConntrackWalk common_walk(ConntrackWalk a, const ConntrackWalk& b) {
  if (a.destination != b.destination) a.destination.reset();
  if (a.destination_port != b.destination_port) a.destination_port.reset();
  a.delete_all = false;
  return a;
}

}  // namespace

UdpService udp_service(Family family, const proxy::state::ServicePort& port) {
  UdpService service;
  auto& fronts = service.fronts;
  fronts.reserve(2 + port.load_balancer_ips.size() + port.external_ips.size());
  fronts.push_back({port.cluster_ip, port.port});
  for (const auto& ip : port.load_balancer_ips) fronts.push_back({ip, port.port});
  for (const auto& ip : port.external_ips) fronts.push_back({ip, port.port});
  if (port.node_port) fronts.push_back({IpAddress::any(family), *port.node_port});
  std::ranges::sort(fronts);
  service.serving = port.serving_endpoints;
  return service;
}

std::string ConntrackRule::text() const {
  const auto where = Endpoint{address, port}.text();
  std::string text = "UDP flows to ";
  switch (scope) {
    case Scope::one_address:
      text += where;
      break;
    case Scope::every_address:
      text += "port " + where.substr(where.rfind(':') + 1) + " of any address";
      break;
    case Scope::node_addresses:
      text += "port " + where.substr(where.rfind(':') + 1) + " of this node";
      break;
  }
  return text + " (" + std::string{to_string(address.family())} + "), except those answered by " +
         std::to_string(keep.size()) + " endpoints";
}

std::vector<ConntrackRule> conntrack_plan(std::span<const UdpService> now,
                                          std::span<const UdpFront> given_up) {
  std::vector<ConntrackRule> rules;
  std::set<UdpFront> held;
  for (const auto& service : now) {
    for (const auto& front : service.fronts) {
      if (!held.insert(front).second) continue;
      const auto scope = front.address.is_unspecified() ? Scope::every_address : Scope::one_address;
      rules.push_back({scope, front.address, front.port, service.serving});
    }
  }
  for (const auto& front : given_up) {
    if (!held.insert(front).second) continue;
    const auto scope = front.address.is_unspecified() ? Scope::node_addresses : Scope::one_address;
    rules.push_back({scope, front.address, front.port, {}});
  }
  return rules;
}

ConntrackJudge::ConntrackJudge(std::span<const ConntrackRule> rules,
                               std::span<const IpAddress> node_addresses)
    : node_addresses_{node_addresses.begin(), node_addresses.end()} {
  for (const auto& rule : rules) {
    const auto family = index(rule.address.family());
    switch (rule.scope) {
      case Scope::one_address:
        one_address_.emplace(UdpFront{rule.address, rule.port}, &rule);
        break;
      case Scope::every_address:
        every_address_[family].emplace(rule.port.value, &rule);
        break;
      case Scope::node_addresses:
        node_ports_gone_[family].emplace(rule.port.value, &rule);
        break;
    }
  }
}

bool ConntrackJudge::is_stale(const UdpFlow& flow) const {
  const auto is_broken = [&](const auto& rules, const auto& key) {
    const auto found = rules.find(key);
    return found != rules.end() && !found->second->keep.contains(flow.replier);
  };
  const auto family = index(flow.destination.family());
  const auto port = flow.destination_port.value;
  return is_broken(one_address_, UdpFront{flow.destination, flow.destination_port}) ||
         is_broken(every_address_[family], port) ||
         (node_addresses_.contains(flow.destination) && is_broken(node_ports_gone_[family], port));
}

std::vector<ConntrackWalk> conntrack_walks(std::span<const ConntrackRule> rules,
                                           std::size_t budget) {
  std::vector<ConntrackWalk> walks;
  for (const auto& rule : rules) {
    const auto walk = narrowest_walk(rule);
    if (std::ranges::find(walks, walk) == walks.end()) walks.push_back(walk);
    if (walks.size() > budget) break;
  }
  if (walks.size() <= budget) return walks;
  walks.clear();
  for (const auto family : proxy::kFamilies) {
    std::optional<ConntrackWalk> shared;
    for (const auto& rule : rules) {
      if (rule.address.family() != family) continue;
      const auto walk = narrowest_walk(rule);
      shared = shared ? common_walk(*shared, walk) : walk;
    }
    if (shared) walks.push_back(*shared);
  }
  return walks;
}

}  // namespace modes::netfilter
