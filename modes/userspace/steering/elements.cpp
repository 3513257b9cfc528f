#include "modes/userspace/steering/elements.hpp"

#include <algorithm>
#include <array>

namespace modes::userspace::steering {
namespace {

using netfilter::KeyField;
using netfilter::SetElement;
using netfilter::SetKey;
using netfilter::SetLayout;
using proxy::state::TrafficPolicy;

// No endpoint anywhere: tell the client. None on this node, by policy: stay silent, another node
// may answer and a load balancer is to look there.
Fate refusal(const ServicePort& port) {
  return port.has_any_endpoint ? Fate::drop : Fate::reject;
}
Fate external_refusal(const ServicePort& port) {
  return port.has_any_endpoint ? Fate::external_drop : Fate::external_reject;
}

Fate cluster_ip_fate(const ServicePort& port) {
  return port.internal_endpoints().empty() ? refusal(port) : Fate::cluster_ip;
}

Fate external_fate(const ServicePort& port) {
  if (port.external_policy == TrafficPolicy::cluster) {
    return port.external_endpoints().empty() ? external_refusal(port) : Fate::external;
  }
  const bool inside = !port.cluster_endpoints.empty();
  const bool outside = !port.local_endpoints.empty();
  if (inside) return outside ? Fate::by_policy : Fate::inside_only;
  return outside ? Fate::outside : external_refusal(port);
}

bool is_refused(Fate fate) {
  return fate >= Fate::reject;
}

template <class Element>
void sort_unique(std::vector<Element>& list, auto same) {
  std::ranges::stable_sort(list, [](const Element& a, const Element& b) { return a < b; });
  const auto tail = std::ranges::unique(list, same);
  list.erase(tail.begin(), tail.end());
}

IpAddress last_of(const IpPrefix& prefix) {
  std::array<std::byte, 16> bytes{};
  std::ranges::copy(prefix.address.bytes(), bytes.begin());
  const auto size = proxy::address_size(prefix.family());
  for (std::size_t bit = prefix.length; bit < size * 8; ++bit) {
    bytes[bit / 8] |= static_cast<std::byte>(0x80 >> bit % 8);
  }
  return IpAddress::from_bytes(prefix.family(), std::span{bytes}.first(size));
}

}  // namespace

const SetLayout& vips_layout() {
  static const SetLayout layout{.name = kVips,
                                .key = {KeyField::address, KeyField::protocol, KeyField::port},
                                .kind = SetLayout::Kind::numbers};
  return layout;
}
const SetLayout& node_ports_layout() {
  static const SetLayout layout{.name = kNodePorts,
                                .key = {KeyField::protocol, KeyField::port},
                                .kind = SetLayout::Kind::numbers};
  return layout;
}
const SetLayout& sources_layout() {
  static const SetLayout layout{
      .name = kSources,
      .key = {KeyField::address, KeyField::protocol, KeyField::port, KeyField::address},
      .intervals = true};
  return layout;
}

Elements elements_of(const ServicePortName& name, const ServicePort& port,
                     const std::vector<IpAddress>& primary_ips) {
  Elements out;
  if (name.protocol == Protocol::sctp) return out;
  const auto vip = [&](const IpAddress& address, std::uint32_t number) {
    // One address may stand in several roles; the first one counts.
    const auto known = std::ranges::any_of(
        out.vips, [&](const auto& element) { return element.address == address; });
    if (!known) out.vips.push_back({address, name.protocol, port.port, number});
    return !known;
  };
  vip(port.cluster_ip, static_cast<std::uint32_t>(cluster_ip_fate(port)));
  const auto fate = external_fate(port);
  const auto number = static_cast<std::uint32_t>(fate);
  const bool guarded = port.source_ranges && !is_refused(fate);
  for (const auto& address : port.load_balancer_ips) {
    if (!vip(address, guarded ? number | kGuarded : number) || !guarded) continue;
    bool from_node = false;
    const auto accept = [&](const IpPrefix& source) {
      out.sources.push_back({address, name.protocol, port.port, source});
    };
    for (const auto& range : *port.source_ranges) {
      accept(range);
      from_node = from_node || std::ranges::any_of(
                                   primary_ips, [&](const auto& ip) { return range.contains(ip); });
    }
    // A node that has the load-balancer IP itself sends from it.
    if (from_node) accept(IpPrefix::host(address));
  }
  for (const auto& address : port.external_ips) vip(address, number);
  if (port.node_port) out.node_ports.push_back({name.protocol, *port.node_port, number});

  sort_unique(out.vips, [](const auto& a, const auto& b) { return a.address == b.address; });
  // Intervals of a set must not overlap: a range within another goes.
  std::erase_if(out.sources, [&](const SourceElement& element) {
    return std::ranges::any_of(out.sources, [&](const SourceElement& other) {
      return other.address == element.address && other.source.length < element.source.length &&
             other.source.contains(element.source.address);
    });
  });
  sort_unique(out.sources, [](const auto& a, const auto& b) { return a == b; });
  return out;
}

SetElement encode(const VipElement& element) {
  SetElement out;
  out.key.address(element.address)
      .protocol(static_cast<std::uint8_t>(element.protocol))
      .port(element.port.value);
  out.number = element.number;
  return out;
}

SetElement encode(const NodePortElement& element) {
  SetElement out;
  out.key.protocol(static_cast<std::uint8_t>(element.protocol)).port(element.port.value);
  out.number = element.number;
  return out;
}

SetElement encode(const SourceElement& element) {
  SetElement out;
  const auto key = [&](const IpAddress& source) {
    return SetKey{}
        .address(element.address)
        .protocol(static_cast<std::uint8_t>(element.protocol))
        .port(element.port.value)
        .address(source);
  };
  out.key = key(element.source.address);
  out.last = key(last_of(element.source));
  return out;
}

}  // namespace modes::userspace::steering
