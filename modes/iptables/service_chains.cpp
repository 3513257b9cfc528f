#include "modes/iptables/service_chains.hpp"

#include <algorithm>

namespace modes::iptables {
namespace {

using netfilter::AddressMatch;
using netfilter::AddressType;
using netfilter::Dnat;
using netfilter::InterfaceMatch;
using netfilter::Jump;
using netfilter::PortRange;
using netfilter::Recent;
using netfilter::Rule;
using proxy::state::EndpointList;
using proxy::state::ServicePort;
using proxy::state::TrafficPolicy;

const ChainName kMarkMasquerade{"KUBE-MARK-MASQ"};

Rule jump(ChainName to, std::string comment = {}) {
  Rule rule;
  rule.target = Jump{to};
  rule.comment = std::move(comment);
  return rule;
}

class Builder {
 public:
  Builder(const ServicePortName& name, const ServicePort& port, const Settings& settings,
          const NodeFacts& node, Layout layout)
      : name_{name},
        port_{port},
        settings_{settings},
        node_{node},
        layout_{layout},
        chains_{name},
        hashed_{hashed_string(name)},
        text_{name.text()} {}

  ServiceRules build() && {
    if (settings_.only && name_.protocol != *settings_.only) {
      dispatch_health_check();
      return std::move(out_);
    }
    dispatch_cluster_ip();
    dispatch_external(port_.external_ips, DispatchNote::external_ip, chains_.external);
    dispatch_external(port_.load_balancer_ips, DispatchNote::load_balancer_ip,
                      uses_firewall() ? chains_.firewall : chains_.external);
    dispatch_firewall();
    dispatch_node_port();
    dispatch_health_check();
    if (uses_external_chain()) out_.chains.push_back({chains_.external, external_rules()});
    if (uses_firewall()) out_.chains.push_back({chains_.firewall, firewall_rules()});
    if (!port_.cluster_endpoints.empty())
      add_policy_chain(chains_.cluster, "KUBE-SVCE-", port_.cluster_endpoints);
    if (!port_.local_endpoints.empty())
      add_policy_chain(chains_.local, "KUBE-SVLE-", port_.local_endpoints);
    add_endpoint_chains();
    return std::move(out_);
  }

 private:
  // ── where the service is dispatched ─────────────────────────────────────────────────────────

  [[nodiscard]] bool has_internal() const { return !port_.internal_endpoints().empty(); }
  [[nodiscard]] bool has_external() const { return !port_.external_endpoints().empty(); }
  // Also when only pods or the node itself could use an external VIP (the short-circuit).
  [[nodiscard]] bool uses_external_chain() const {
    return port_.has_reachable_endpoint() && port_.externally_accessible();
  }
  [[nodiscard]] bool uses_firewall() const {
    return uses_external_chain() && port_.source_ranges && !port_.load_balancer_ips.empty();
  }
  [[nodiscard]] ChainName internal_chain() const {
    return port_.internal_policy == TrafficPolicy::local ? chains_.local : chains_.cluster;
  }
  [[nodiscard]] ChainName external_policy_chain() const {
    return port_.external_policy == TrafficPolicy::local ? chains_.local : chains_.cluster;
  }

  void dispatch(Dispatch where, const DispatchKey& key, DispatchVerdict verdict, DispatchNote note,
                ChainName to = {}) {
    out_.dispatch.push_back({{where, key}, {0, verdict, note, to}});
  }
  // No endpoint anywhere: tell the client. None on this node, by policy: stay silent, another
  // node may answer and a load balancer is to look there.
  void dispatch_refusal(Dispatch where, const DispatchKey& key) {
    if (port_.has_any_endpoint) {
      dispatch(where, key, DispatchVerdict::drop, DispatchNote::no_local_endpoints);
    } else {
      dispatch(where, key, DispatchVerdict::reject, DispatchNote::no_endpoints);
    }
  }
  [[nodiscard]] DispatchKey key(const IpAddress& vip) const {
    return DispatchKey::of(vip, name_.protocol, port_.port);
  }

  void dispatch_cluster_ip() {
    const auto at = key(port_.cluster_ip);
    if (has_internal()) {
      dispatch(Dispatch::nat_services, at, DispatchVerdict::jump, DispatchNote::cluster_ip,
               internal_chain());
    } else {
      dispatch_refusal(Dispatch::filter_services, at);
    }
  }
  void dispatch_external(const std::vector<IpAddress>& vips, DispatchNote note, ChainName to) {
    for (const auto& vip : vips) {
      if (uses_external_chain())
        dispatch(Dispatch::nat_services, key(vip), DispatchVerdict::jump, note, to);
      // Beside the rule in nat: the short-circuit has translated what it serves before this is met.
      if (!has_external()) dispatch_refusal(Dispatch::filter_external, key(vip));
    }
  }
  void dispatch_firewall() {
    if (!uses_firewall()) return;
    for (const auto& vip : port_.load_balancer_ips) {
      dispatch(Dispatch::filter_firewall, key(vip), DispatchVerdict::drop,
               DispatchNote::not_accepted, chains_.firewall);
    }
  }
  void dispatch_node_port() {
    if (!port_.node_port) return;
    const auto at = DispatchKey::of_port(name_.protocol, *port_.node_port);
    if (uses_external_chain()) {
      dispatch(Dispatch::nat_node_ports, at, DispatchVerdict::jump, DispatchNote::none,
               chains_.external);
    }
    if (!has_external()) dispatch_refusal(Dispatch::filter_node_ports, at);
  }
  void dispatch_health_check() {
    if (!port_.health_check_node_port) return;
    dispatch(Dispatch::filter_health_check,
             DispatchKey::of_port(proxy::Protocol::tcp, *port_.health_check_node_port),
             DispatchVerdict::accept, DispatchNote::health_check, chains_.external);
  }

  // ── its own chains ──────────────────────────────────────────────────────────────────────────

  [[nodiscard]] std::vector<Rule> external_rules() const {
    std::vector<Rule> rules;
    if (port_.external_policy == TrafficPolicy::cluster) {
      rules.push_back(
          jump(kMarkMasquerade, "masquerade traffic for " + text_ + " external destinations"));
    } else {
      short_circuit(rules);
    }
    if (has_external()) rules.push_back(jump(external_policy_chain()));
    return rules;
  }

  // Pods and the node itself reach an external VIP as they would the cluster IP: the policy Local
  // is about traffic that comes from outside.
  void short_circuit(std::vector<Rule>& rules) const {
    if (port_.cluster_endpoints.empty()) return;
    if (auto rule = local_traffic(settings_, node_, name_.family, false)) {
      rule->target = Jump{chains_.cluster};
      rule->comment = "pod traffic for " + text_ + " external destinations";
      rules.push_back(std::move(*rule));
    }
    auto masquerade =
        jump(kMarkMasquerade, "masquerade LOCAL traffic for " + text_ + " external destinations");
    masquerade.address_type = AddressType::source_local;
    rules.push_back(std::move(masquerade));
    auto route =
        jump(chains_.cluster, "route LOCAL traffic for " + text_ + " external destinations");
    route.address_type = AddressType::source_local;
    rules.push_back(std::move(route));
  }

  [[nodiscard]] std::vector<Rule> firewall_rules() const {
    std::vector<Rule> rules;
    bool from_node = false;
    const auto accept = [&](const IpPrefix& source) {
      auto rule = jump(chains_.external, text_ + " loadbalancer IP");
      rule.source = AddressMatch{source};
      rules.push_back(std::move(rule));
    };
    for (const auto& range : *port_.source_ranges) {
      accept(range);
      from_node = from_node || std::ranges::any_of(node_.primary_ips, [&](const auto& ip) {
                    return range.contains(ip);
                  });
    }
    // A node that has the load-balancer IP itself sends from it.
    if (from_node) {
      for (const auto& vip : port_.load_balancer_ips) accept(IpPrefix::host(vip));
    }
    Rule rest;
    rest.comment = "other traffic to " + text_ + " will be dropped by KUBE-PROXY-FIREWALL";
    rules.push_back(std::move(rest));
    return rules;
  }

  // The rule that has traffic to the cluster IP masqueraded, if any is to be.
  [[nodiscard]] std::optional<Rule> cluster_ip_masquerade() const {
    auto rule = settings_.masquerade_all ? std::optional{Rule{}}
                                         : local_traffic(settings_, node_, name_.family, true);
    if (!rule) return std::nullopt;
    const auto at = key(port_.cluster_ip).match(key(port_.cluster_ip).bits());
    rule->destination = at.destination;
    rule->protocol = at.protocol;
    rule->destination_port = at.destination_port;
    rule->target = Jump{kMarkMasquerade};
    rule->comment = text_ + " cluster IP";
    return rule;
  }

  [[nodiscard]] bool has_endpoint_chains() const {
    return layout_.endpoint_chains || port_.affinity;
  }

  void add_policy_chain(ChainName chain, const char* group_prefix, const EndpointList& endpoints) {
    std::vector<Rule> rules;
    if (chain == internal_chain()) {
      if (auto rule = cluster_ip_masquerade()) rules.push_back(std::move(*rule));
    }
    if (port_.affinity) {
      for (const auto& endpoint : endpoints) rules.push_back(affinity_rule(endpoint));
    }
    std::vector<Chain> groups;
    choose_endpoint(
        endpoints, group_prefix + chains_.hash, layout_.endpoint_chains ? text_ : std::string{},
        [&](const Endpoint& endpoint) { return endpoint_rule(endpoint); }, rules, groups);
    out_.chains.push_back({chain, std::move(rules)});
    std::ranges::move(groups, std::back_inserter(out_.chains));
  }

  [[nodiscard]] Rule affinity_rule(const Endpoint& endpoint) const {
    const auto chain = endpoint_chain(hashed_, endpoint);
    auto rule = jump(chain, endpoint_comment(endpoint));
    rule.recent =
        Recent{Recent::Action::check, static_cast<std::uint32_t>(port_.affinity->count()), chain};
    return rule;
  }
  // Large clusters do without comments on what is most numerous, as kube-proxy does.
  [[nodiscard]] std::string endpoint_comment(const Endpoint& endpoint) const {
    return layout_.endpoint_chains ? text_ + " -> " + endpoint.text() : std::string{};
  }
  [[nodiscard]] Rule endpoint_rule(const Endpoint& endpoint) const {
    if (has_endpoint_chains())
      return jump(endpoint_chain(hashed_, endpoint), endpoint_comment(endpoint));
    return translation(endpoint);
  }
  [[nodiscard]] Rule translation(const Endpoint& endpoint) const {
    Rule rule;
    rule.protocol = name_.protocol;
    rule.target = Dnat{endpoint.address, endpoint.port};
    return rule;
  }

  void add_endpoint_chains() {
    if (!has_endpoint_chains()) return;
    std::vector<Endpoint> endpoints;
    std::ranges::set_union(port_.cluster_endpoints, port_.local_endpoints,
                           std::back_inserter(endpoints));
    const auto comment = layout_.endpoint_chains ? text_ : std::string{};
    for (const auto& endpoint : endpoints) {
      std::vector<Rule> rules;
      if (layout_.endpoint_chains) {  // elsewhere KUBE-POSTROUTING recognises hairpins
        auto hairpin = jump(kMarkMasquerade, comment);
        hairpin.source = AddressMatch{IpPrefix::host(endpoint.address)};
        rules.push_back(std::move(hairpin));
      }
      auto rule = translation(endpoint);
      rule.comment = comment;
      const auto chain = endpoint_chain(hashed_, endpoint);
      if (port_.affinity) rule.recent = Recent{Recent::Action::set, 0, chain};
      rules.push_back(std::move(rule));
      out_.chains.push_back({chain, std::move(rules)});
    }
  }

  const ServicePortName& name_;
  const ServicePort& port_;
  const Settings& settings_;
  const NodeFacts& node_;
  Layout layout_;
  ServiceChainNames chains_;
  std::string hashed_;
  std::string text_;
  ServiceRules out_;
};

std::optional<Rule> by_prefix(const std::vector<IpPrefix>& prefixes, Family family, bool inverted) {
  const auto it = std::ranges::find(prefixes, family, &IpPrefix::family);
  if (it == prefixes.end()) return std::nullopt;
  Rule rule;
  rule.source = AddressMatch{*it, inverted};
  return rule;
}

std::string note_text(const DispatchEntry& entry) {
  switch (entry.note) {
    case DispatchNote::none:
      return "";
    case DispatchNote::cluster_ip:
      return " cluster IP";
    case DispatchNote::external_ip:
      return " external IP";
    case DispatchNote::load_balancer_ip:
      return " loadbalancer IP";
    case DispatchNote::no_endpoints:
      return " has no endpoints";
    case DispatchNote::no_local_endpoints:
      return " has no local endpoints";
    case DispatchNote::not_accepted:
      return " traffic not accepted by " + std::string{entry.to.view()};
    case DispatchNote::health_check:
      return " health check node port";
  }
  return "";
}

}  // namespace

std::optional<Rule> local_traffic(const Settings& settings, const NodeFacts& node, Family family,
                                  bool inverted) {
  struct Visitor {
    const NodeFacts& node;
    Family family;
    bool inverted;
    std::optional<Rule> operator()(const LocalByPrefix& by) const {
      return by_prefix(by.prefixes, family, inverted);
    }
    std::optional<Rule> operator()(const LocalByNodePrefix&) const {
      return by_prefix(node.pod_cidrs, family, inverted);
    }
    std::optional<Rule> operator()(const LocalByInterface& by) const {
      Rule rule;
      rule.in_interface = InterfaceMatch{by.pattern, inverted};
      return rule;
    }
  };
  return std::visit(Visitor{node, family, inverted}, settings.local);
}

Rule dispatch_rule(const DispatchKey& key, const DispatchEntry& entry,
                   const ServicePortName& owner) {
  auto rule = key.match(key.bits());
  switch (entry.verdict) {
    case DispatchVerdict::jump:
      rule.target = Jump{entry.to};
      break;
    case DispatchVerdict::reject:
      rule.target = netfilter::Reject{};
      break;
    case DispatchVerdict::drop:
      rule.target = netfilter::Drop{};
      break;
    case DispatchVerdict::accept:
      rule.target = netfilter::Accept{};
      break;
  }
  rule.comment = owner.text() + note_text(entry);
  return rule;
}

ServiceRules service_rules(const ServicePortName& name, const ServicePort& port,
                           const Settings& settings, const NodeFacts& node, Layout layout) {
  return Builder{name, port, settings, node, layout}.build();
}

}  // namespace modes::iptables
