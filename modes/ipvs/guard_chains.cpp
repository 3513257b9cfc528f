#include "modes/ipvs/guard_chains.hpp"

#include "modes/netfilter/native_rule.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_ipv4.h>

#include <algorithm>
#include <array>

namespace modes::ipvs {
namespace {

using netfilter::KeyField;
using netfilter::NativeChain;
using netfilter::NativeRule;
using netfilter::SetElement;
using netfilter::SetKey;
using netfilter::SetLayout;
using netfilter::TableBatch;

constexpr const char* kAddresses = "addresses";
constexpr const char* kNodeAddresses = "node-addresses";
constexpr const char* kSources = "allowed-sources";

// nft cannot list a rule that looks up in one map what it found in another, and a map of verdicts
// makes the kernel look at all of the table for each new element: a set for each fate has neither.
const char* vips_set(Fate fate) {
  switch (fate) {
    case Fate::cluster_ip:
      return "cluster-ips";
    case Fate::external:
      return "external-ips";
    case Fate::local:
      return "external-ips-local";
    case Fate::ranges_external:
      return "restricted-ips";
    case Fate::ranges_local:
      return "restricted-ips-local";
    case Fate::health:
      break;
  }
  return "";
}
const char* node_ports_set(Fate fate) {
  if (fate == Fate::health) return "health-check-ports";
  return fate == Fate::local ? "node-ports-local" : "node-ports";
}
// Where to go with it.
const char* chain_of(Fate fate) {
  switch (fate) {
    case Fate::cluster_ip:
      return "cluster-ip";
    case Fate::external:
      return "masquerade";
    case Fate::ranges_external:
      return "restricted";
    case Fate::ranges_local:
      return "restricted-local";
    case Fate::local:
    case Fate::health:
      break;
  }
  return "untouched";
}

SetLayout node_addresses_layout() {
  return {.name = kNodeAddresses, .key = {KeyField::address}};
}

IpPrefix loopback_range(Family family) {
  return family == Family::v4 ? IpPrefix::of(IpAddress::loopback(family), 8)
                              : IpPrefix::host(IpAddress::loopback(family));
}

class Builder {
 public:
  Builder(Family family, const Settings& settings, const NodeFacts& node)
      : family_{family}, settings_{settings}, node_{node} {}

  std::vector<NativeChain> build(Hairpins hairpins) && {
    add_masquerade();
    add_fates();
    add_input();
    add_output();
    add_postrouting(hairpins);
    return std::move(chains_);
  }

 private:
  [[nodiscard]] NativeRule rule() const { return NativeRule{family_}; }
  NativeChain& chain(const char* name, std::optional<NativeChain::Hook> hook = std::nullopt) {
    return chains_.emplace_back(NativeChain{name, hook, {}});
  }
  static void add(NativeChain& chain, const NativeRule& rule) {
    chain.rules.push_back(rule.bytes());
  }

  void add_masquerade() {
    const auto bit = settings_.masquerade_mark();
    add(chain("masquerade"), rule().set_mark(bit, bit));
  }

  // Rules that match pods of this node; none if that can't be told.
  [[nodiscard]] std::optional<NativeRule> pods() const {
    const auto by_prefix = [&](const std::vector<IpPrefix>& prefixes) -> std::optional<NativeRule> {
      const auto it = std::ranges::find(prefixes, family_, &IpPrefix::family);
      if (it == prefixes.end()) return std::nullopt;
      return rule().source(*it);
    };
    if (const auto* by = std::get_if<iptables::LocalByPrefix>(&settings_.local)) {
      return by_prefix(by->prefixes);
    }
    if (std::holds_alternative<iptables::LocalByNodePrefix>(settings_.local)) {
      return by_prefix(node_.pod_cidrs);
    }
    return rule().in_interface(std::get<iptables::LocalByInterface>(settings_.local).pattern);
  }

  void add_fates() {
    add_cluster_ip();
    add(chain("untouched"), rule().accept());
    auto& ranges = chain("restricted");
    add(ranges, rule().vip_and_source_in(kSources).go_to("masquerade"));
    add(ranges, rule().drop());
    auto& ranges_local = chain("restricted-local");
    add(ranges_local, rule().vip_and_source_in(kSources).accept());
    add(ranges_local, rule().drop());
  }

  void add_cluster_ip() {
    auto& to = chain("cluster-ip");
    if (!settings_.masquerade_all) {
      if (const auto local = pods()) {
        add(to, NativeRule{*local}.accept());
      } else {
        // A program on this node that chose no address has got the VIP's, where nobody can answer.
        add(to, rule().source_in(kAddresses).go_to("masquerade"));
        add(to, rule().accept());
      }
    }
    add(to, rule().go_to("masquerade"));
  }

  void add_lookups(NativeChain& base) {
    for (const auto fate : kVipFates) {
      add(base, rule().vip_in(vips_set(fate)).go_to(chain_of(fate)));
    }
    for (const auto fate : {Fate::external, Fate::local}) {
      add(base, rule()
                    .destination_in(kNodeAddresses)
                    .port_in(node_ports_set(fate))
                    .go_to(chain_of(fate)));
    }
  }

  void add_input() {
    auto& base = chain("input", NativeChain::Hook{"filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER});
    add(base, rule().not_new().accept());
    add_lookups(base);
    add(base, rule().destination_in(kAddresses).port_in(node_ports_set(Fate::health)).accept());
    add(base, rule().icmp().accept());
    add(base, rule().destination_in(kAddresses).reject());
  }

  // Before the output hook of IPVS, which comes right behind NAT's (ip_vs_core.c).
  void add_output() {
    auto& base =
        chain("output", NativeChain::Hook{"filter", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST - 1});
    add(base, rule().not_new().accept());
    add(base, rule().source(loopback_range(family_)).accept());
    add_lookups(base);
  }

  void add_postrouting(Hairpins hairpins) {
    const auto bit = settings_.masquerade_mark();
    auto& base =
        chain("postrouting", NativeChain::Hook{"nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC});
    if (hairpins == Hairpins::masqueraded) {
      // A program that talks to its own host's address does so over lo.
      add(base, rule().out_interface("lo", false).source_is_destination().masquerade());
    }
    // The mark is taken off: the packet may be routed, and masqueraded by others' rules, once more.
    add(base, rule().mark(bit, bit).set_mark(0, bit).masquerade());
  }

  Family family_;
  const Settings& settings_;
  const NodeFacts& node_;
  std::vector<NativeChain> chains_;
};

SetKey vip_key(const VirtualServerKey& key) {
  SetKey out;
  out.address(key.address).protocol(static_cast<std::uint8_t>(key.protocol)).port(key.port.value);
  return out;
}

IpAddress last_of(const IpPrefix& prefix) {
  std::array<std::byte, 16> bytes{};
  const auto from = prefix.address.bytes();
  std::ranges::copy(from, bytes.begin());
  for (std::size_t bit = prefix.length; bit < from.size() * 8; ++bit) {
    bytes.at(bit / 8) |= std::byte{1} << static_cast<int>(7 - bit % 8);
  }
  return IpAddress::from_bytes(prefix.family(), std::span{bytes}.first(from.size()));
}

std::optional<Protocol> protocol_of(std::byte number) {
  for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (std::byte{static_cast<std::uint8_t>(protocol)} == number) return protocol;
  }
  return std::nullopt;
}

Port port_in(std::span<const std::byte> bytes) {
  return Port{static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) << 8 |
                                         std::to_integer<unsigned>(bytes[1]))};
}

}  // namespace

SetLayout vips_layout(Fate fate) {
  return {.name = vips_set(fate), .key = {KeyField::address, KeyField::protocol, KeyField::port}};
}
SetLayout node_ports_layout(Fate fate) {
  return {.name = node_ports_set(fate), .key = {KeyField::protocol, KeyField::port}};
}
SetLayout addresses_layout() {
  return {.name = kAddresses, .key = {KeyField::address}};
}
SetLayout sources_layout() {
  return {.name = kSources,
          .key = {KeyField::address, KeyField::protocol, KeyField::port, KeyField::address},
          .intervals = true};
}
SetLayout silent_layout() {
  return {.name = "silent", .key = {KeyField::address}};
}

SetElement vip_element(const VirtualServerKey& key) {
  SetElement out;
  out.key = vip_key(key);
  return out;
}
SetElement node_port_element(const NodePortKey& key) {
  SetElement out;
  out.key.protocol(static_cast<std::uint8_t>(key.protocol)).port(key.port.value);
  return out;
}
SetElement address_element(const IpAddress& ip) {
  SetElement out;
  out.key.address(ip);
  return out;
}
SetElement source_element(const AllowedSource& source) {
  SetElement out;
  out.key = vip_key(source.vip);
  out.last = out.key;
  out.key.address(source.source.address);
  out.last->address(last_of(source.source));
  return out;
}

std::optional<VirtualServerKey> parse_vip(Family family, std::span<const std::byte> key) {
  const auto size = proxy::address_size(family);
  if (key.size() != size + 8) return std::nullopt;
  const auto protocol = protocol_of(key[size]);
  if (!protocol) return std::nullopt;
  return VirtualServerKey{IpAddress::from_bytes(family, key.first(size)),
                          port_in(key.subspan(size + 4)), *protocol};
}

std::optional<NodePortKey> parse_node_port(Family family, std::span<const std::byte> key) {
  if (key.size() != 8) return std::nullopt;
  const auto protocol = protocol_of(key[0]);
  if (!protocol) return std::nullopt;
  return NodePortKey{family, *protocol, port_in(key.subspan(4))};
}

void write_guard(TableBatch& batch, Family family, const Settings& settings, const NodeFacts& node,
                 Hairpins hairpins) {
  batch.add_table(TableBatch::Ownership::left_behind);
  for (const auto fate : kVipFates) batch.add_set(vips_layout(fate));
  for (const auto fate : kNodePortFates) batch.add_set(node_ports_layout(fate));
  for (const auto& layout : {addresses_layout(), node_addresses_layout(), sources_layout()}) {
    batch.add_set(layout);
  }
  const auto chains = Builder{family, settings, node}.build(hairpins);
  for (const auto& chain : chains) batch.add_chain(chain);
  std::vector<SetElement> own;
  for (const auto& ip : node_port_addresses(family, settings, node)) {
    own.push_back(address_element(ip));
  }
  batch.add_elements(node_addresses_layout(), own);
  for (const auto& chain : chains) batch.add_rules(chain);
}

void write_arp_guard(TableBatch& batch) {
  batch.add_table(TableBatch::Ownership::left_behind);
  batch.add_set(silent_layout());
  NativeChain chain{"input", NativeChain::Hook{"filter", NF_ARP_IN, NF_IP_PRI_FILTER}, {}};
  batch.add_chain(chain);
  chain.rules.push_back(
      NativeRule{Family::v4}.arp_request_for(silent_layout().name).drop().bytes());
  batch.add_rules(chain);
}

}  // namespace modes::ipvs
