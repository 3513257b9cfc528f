#include "modes/iptables/fixed_chains.hpp"

#include "modes/iptables/chain_names.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace modes::iptables {
namespace {

using netfilter::AddressMatch;
using netfilter::AddressType;
using netfilter::ConnectionState;
using netfilter::Jump;
using netfilter::Mark;
using netfilter::MarkMatch;
using netfilter::Masquerade;
using netfilter::Table;

IpPrefix loopback_range(Family family) {
  return family == Family::v4 ? IpPrefix::of(IpAddress::loopback(family), 8)
                              : IpPrefix::host(IpAddress::loopback(family));
}

Rule jump(const char* to, const char* comment, bool only_new) {
  Rule rule;
  if (only_new) rule.state = ConnectionState{.fresh = true};
  rule.target = Jump{to};
  rule.comment = comment;
  return rule;
}

// Packets that bear the mark leave with the node's address. The mark is taken off again: the packet
// may be routed, and masqueraded by somebody else's rule, once more.
std::vector<Rule> postrouting(const Settings& settings, Layout layout) {
  const auto bit = settings.masquerade_mark();
  std::vector<Rule> rules;
  if (!layout.endpoint_chains) {
    Rule hairpin;
    hairpin.state = ConnectionState{.dnat = true};
    hairpin.source_is_destination = true;
    hairpin.target = Masquerade{};
    hairpin.comment = "kubernetes service traffic back to its sender";
    rules.push_back(std::move(hairpin));
  }
  Rule unmarked;
  unmarked.mark = MarkMatch{bit, bit, true};
  unmarked.target = netfilter::Return{};
  rules.push_back(unmarked);
  Rule clear;
  clear.target = Mark{bit, 0};
  rules.push_back(clear);
  Rule masquerade;
  masquerade.target = Masquerade{};
  masquerade.comment = "kubernetes service traffic requiring SNAT";
  rules.push_back(masquerade);
  return rules;
}

std::vector<Rule> forward(const Settings& settings, const NodeFacts& node) {
  std::vector<Rule> rules;
  // A late packet that conntrack does not recognise would reach the client untranslated, which
  // answers with a reset of a healthy connection. A liberal conntrack recognises it.
  if (!node.tcp_be_liberal) {
    Rule invalid;
    invalid.state = ConnectionState{.invalid = true};
    invalid.target = netfilter::Drop{};
    rules.push_back(invalid);
  }
  Rule marked;
  marked.mark = MarkMatch{settings.masquerade_mark(), settings.masquerade_mark(), false};
  marked.target = netfilter::Accept{};
  marked.comment = "kubernetes forwarding rules";
  rules.push_back(marked);
  Rule replies;
  replies.state = ConnectionState{.established = true, .related = true};
  replies.target = netfilter::Accept{};
  replies.comment = "kubernetes forwarding conntrack rule";
  rules.push_back(replies);
  return rules;
}

Rule block_localnet() {
  Rule rule;
  rule.source = AddressMatch{loopback_range(Family::v4), true};
  rule.destination = AddressMatch{loopback_range(Family::v4)};
  rule.state =
      ConnectionState{.established = true, .related = true, .dnat = true, .inverted = true};
  rule.target = netfilter::Drop{};
  rule.comment = "block incoming localnet connections";
  return rule;
}

// Where node ports are served if they are limited to `limits`. A primary address is taken for one
// of the node's unseen.
std::vector<IpAddress> node_port_addresses(Family family, std::span<const IpPrefix> limits,
                                           const Settings& settings, const NodeFacts& node) {
  std::vector<IpAddress> out;
  const auto add = [&](const IpAddress& address) {
    if (address.family() != family) return;
    if (address.is_loopback() && (family == Family::v6 || !settings.localhost_node_ports)) return;
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  };
  if (settings.node_port_addresses.primary) std::ranges::for_each(node.primary_ips, add);
  for (const auto& range : limits) {
    for (const auto& address : node.addresses) {
      if (range.contains(address)) add(address);
    }
  }
  std::ranges::sort(out);
  return out;
}

std::vector<Rule> to_node_ports(Family family, const Settings& settings, const NodeFacts& node) {
  Rule rule;
  rule.target = Jump{"KUBE-NODEPORTS"};
  rule.comment = "kubernetes service nodeports; NOTE: this must be the last rule in this chain";
  const auto limits = settings.node_port_addresses.limits(family, node.primary_ips);
  if (limits.empty()) {
    rule.address_type = AddressType::destination_local;
    // IPv6 has no route_localnet: a translated packet from ::1 could not leave the node.
    if (family == Family::v6 || !serves_localhost(settings)) {
      rule.destination = AddressMatch{loopback_range(family), true};
    }
    return {rule};
  }
  std::vector<Rule> rules;
  for (const auto& address : node_port_addresses(family, limits, settings, node)) {
    rule.destination = AddressMatch{IpPrefix::host(address)};
    rules.push_back(rule);
  }
  return rules;
}

Rule to_refused_node_ports() {
  Rule rule;
  rule.address_type = AddressType::destination_local;
  rule.target = Jump{"KUBE-EXTERNAL-NODEPORTS"};
  rule.comment = "kubernetes service nodeports without endpoints";
  return rule;
}

constexpr const char* kPortals = "kubernetes service portals";
constexpr const char* kExternalPortals = "kubernetes externally-visible service portals";
constexpr const char* kFirewall = "kubernetes load balancer firewall";

void add_jumps(FixedRules& out, Family family, bool guard_localhost) {
  const auto at = [&](Table table, const char* chain, std::vector<Rule> rules) {
    out.jumps.emplace_back(ChainKey{family, table, chain}, std::move(rules));
  };
  at(Table::nat, "PREROUTING", {jump("KUBE-SERVICES", kPortals, false)});
  at(Table::nat, "OUTPUT", {jump("KUBE-SERVICES", kPortals, false)});
  at(Table::nat, "POSTROUTING", {jump("KUBE-POSTROUTING", "kubernetes postrouting rules", false)});
  std::vector<Rule> input{jump("KUBE-PROXY-FIREWALL", kFirewall, true),
                          jump("KUBE-NODEPORTS", "kubernetes health check service ports", false),
                          jump("KUBE-EXTERNAL-SERVICES", kExternalPortals, true)};
  std::vector<Rule> output{jump("KUBE-PROXY-FIREWALL", kFirewall, true),
                           jump("KUBE-SERVICES", kPortals, true)};
  if (guard_localhost) {
    input.push_back(jump("KUBE-FIREWALL", "", false));
    output.push_back(jump("KUBE-FIREWALL", "", false));
  }
  at(Table::filter, "INPUT", std::move(input));
  at(Table::filter, "OUTPUT", std::move(output));
  at(Table::filter, "FORWARD",
     {jump("KUBE-PROXY-FIREWALL", kFirewall, true),
      jump("KUBE-FORWARD", "kubernetes forwarding rules", false),
      jump("KUBE-SERVICES", kPortals, true),
      jump("KUBE-EXTERNAL-SERVICES", kExternalPortals, true)});
}

}  // namespace

bool serves_localhost(const Settings& settings) {
  if (!settings.localhost_node_ports) return false;
  // The primary address is none of loopback's, whatever it is.
  const auto limits = settings.node_port_addresses.limits(Family::v4, {});
  if (limits.empty()) return !settings.node_port_addresses.primary;
  return std::ranges::any_of(limits, [](const auto& range) { return range.address.is_loopback(); });
}

FixedRules fixed_rules(Family family, const Settings& settings, const NodeFacts& node,
                       Layout layout) {
  FixedRules out;
  const bool guard_localhost = family == Family::v4 && serves_localhost(settings);
  out.chains.emplace_back(ChainKey{family, Table::nat, "KUBE-POSTROUTING"},
                          postrouting(settings, layout));
  out.chains.emplace_back(ChainKey{family, Table::filter, "KUBE-FORWARD"}, forward(settings, node));

  Rule mark;
  mark.target = Mark{settings.masquerade_mark(), settings.masquerade_mark()};
  out.shared.emplace_back(ChainKey{family, Table::nat, "KUBE-MARK-MASQ"}, std::vector{mark});
  out.shared.emplace_back(ChainKey{family, Table::filter, "KUBE-FIREWALL"},
                          guard_localhost ? std::vector{block_localnet()} : std::vector<Rule>{});
  add_jumps(out, family, guard_localhost);
  out.tails.emplace_back(Dispatch::nat_services, to_node_ports(family, settings, node));
  out.tails.emplace_back(Dispatch::filter_external, std::vector{to_refused_node_ports()});
  return out;
}

bool is_shared_chain(const ChainKey& key) {
  return key.name == ChainName{"KUBE-MARK-MASQ"} || key.name == ChainName{"KUBE-FIREWALL"};
}

bool is_own_chain(const ChainKey& key) {
  static constexpr std::array<std::string_view, 3> kNat{"KUBE-SERVICES", "KUBE-NODEPORTS",
                                                        "KUBE-POSTROUTING"};
  static constexpr std::array<std::string_view, 6> kFilter{
      "KUBE-SERVICES",  "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD",
      "KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL",    "KUBE-EXTERNAL-NODEPORTS"};
  const auto name = key.name.view();
  if (is_service_chain(name)) return true;
  return key.table == Table::nat ? std::ranges::find(kNat, name) != kNat.end()
                                 : std::ranges::find(kFilter, name) != kFilter.end();
}

}  // namespace modes::iptables
