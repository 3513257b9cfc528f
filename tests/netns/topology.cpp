#include "tests/netns/topology.hpp"

#include "tests/netns/socket_address.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

namespace netns {
namespace {

using proxy::IpPrefix;

IpPrefix prefix(std::string_view text) {
  const auto parsed = proxy::parse_prefix(text);
  if (!parsed) throw LabError{parsed.error().text()};
  return *parsed;
}

// Host ids on the LAN; the last octet of addresses and MACs.
constexpr std::uint8_t kUpstream = 1, kNodeA = 2, kNodeB = 3, kNodeC = 4;

constexpr MacAddress lan_mac(std::uint8_t id) {
  return {2, 0, 0, 1, 0, id};
}
constexpr MacAddress kPodMac{2, 0, 0, 2, 0, 2};      // a pod's end of its link
constexpr MacAddress kGatewayMac{2, 0, 0, 2, 0, 1};  // the node's end

// A pod's gateway is an address nobody has, resolved by a fixed neighbour entry: the node's end of
// the link stays without an address that could be mistaken for one of the node's.
const std::array<std::string_view, 2> kGateways{"169.254.1.1", "fe80::1"};

std::string lan_address(Family family, std::uint8_t id) {
  return (family == Family::v4 ? "192.168.0." : "2001:db8::") + std::to_string(id);
}

const std::array<IpPrefix, 3>& client_ranges() {
  static const std::array ranges{prefix("203.0.113.0/24"), prefix("2001:db8:cb00::/64"),
                                 prefix("2001:db8:cb00:1::/64")};
  return ranges;
}

IpPrefix everything(Family family) {
  return IpPrefix::of(IpAddress::any(family), 0);
}

void route_all(Party& party, std::initializer_list<std::string_view> to, std::uint8_t via) {
  for (const auto text : to) {
    const auto range = prefix(text);
    party.links.add_route(
        {.to = range, .device = "eth0", .via = address(lan_address(range.family(), via))});
  }
}

void route_clients_directly(Party& party) {
  for (const auto& range : client_ranges()) party.links.add_route({.to = range, .device = "eth0"});
}

void route_rest(Party& party, std::uint8_t via) {
  for (const auto family : proxy::kFamilies) {
    party.links.add_route(
        {.to = everything(family), .device = "eth0", .via = address(lan_address(family, via))});
  }
}

}  // namespace

Topology::Topology() {
  lan_ = &add_party("lan", false);
  lan_->links.add_bridge("br0");

  node_a_ = &add_party("node-a", true);
  auto& node_b = add_party("node-b", true);
  auto& node_c = add_party("node-c", true);
  upstream_ = &add_party("upstream", true);
  join_lan(*node_a_, kNodeA);
  join_lan(node_b, kNodeB);
  join_lan(node_c, kNodeC);
  join_lan(*upstream_, kUpstream);

  for (const auto& [party, id] :
       {std::pair{node_a_, kNodeA}, {&node_b, kNodeB}, {&node_c, kNodeC}}) {
    const auto number = std::to_string(id - kNodeA);
    pods_.push_back({party, prefix("10.180." + number + ".0/24")});
    pods_.push_back(
        {party, prefix(id == kNodeA ? "fd00:10:180::/64" : "fd00:10:180:" + number + "::/64")});
  }
  for (auto* party : {node_a_, upstream_}) {
    route_all(*party, {"10.180.1.0/24", "fd00:10:180:1::/64"}, kNodeB);
    route_all(*party, {"10.180.2.0/24", "fd00:10:180:2::/64"}, kNodeC);
  }
  route_all(node_b, {"10.180.2.0/24", "fd00:10:180:2::/64"}, kNodeC);
  route_all(node_c, {"10.180.1.0/24", "fd00:10:180:1::/64"}, kNodeB);
  for (auto* party : {&node_b, &node_c}) {
    route_all(*party, {"203.0.113.0/24", "2001:db8:cb00::/64", "2001:db8:cb00:1::/64"}, kUpstream);
    route_rest(*party, kNodeA);
  }
  // node-a reaches the clients without upstream too: upstream has the services' addresses and would
  // refuse an answer that comes from one of them.
  for (auto* party : {node_a_, upstream_}) route_clients_directly(*party);
  route_rest(*upstream_, kNodeA);
  route_rest(*node_a_, kUpstream);

  for (const auto* text : {"192.168.0.2", "2001:db8::2"}) node_addresses_.insert(address(text));
  for (const auto& [text, length] :
       {std::pair{"192.168.1.2", 24}, {"192.168.99.11", 32}, {"2001:db8:1::2", 64}}) {
    node_a_->links.add_address("eth0", address(text), static_cast<std::uint8_t>(length));
    node_addresses_.insert(address(text));
  }
}

Party& Topology::add_party(std::string name, bool forwards) {
  auto party = std::make_unique<Party>(name, forwards);
  return *parties_.emplace(std::move(name), std::move(party)).first->second;
}

void Topology::join_lan(Party& party, std::uint8_t id) {
  const auto port = "port" + std::to_string(id);
  party.links.add_veth({"eth0", party.net, lan_mac(id)}, {port, lan_->net, {2, 0, 0, 3, 0, id}});
  lan_->links.enslave(port, "br0");
  lan_->links.connect(port, party.links, "eth0");
  party.links.add_address("eth0", address("fe80::" + std::to_string(id)), 64);
  if (id <= kNodeC) {
    for (const auto family : proxy::kFamilies) {
      party.links.add_address("eth0", address(lan_address(family, id)),
                              family == Family::v4 ? 24 : 64);
    }
  }
}

Party& Topology::owner(const IpAddress& wanted) {
  if (wanted.is_loopback() || node_addresses_.contains(wanted)) return *node_a_;
  if (const auto found = made_.find(wanted); found != made_.end()) return *found->second;
  for (const auto& [node, range] : pods_) {
    if (range.contains(wanted)) return add_pod(wanted, *node);
  }
  if (is_external(wanted)) return add_client(wanted);
  throw LabError{"no party of the topology has the address " + wanted.text()};
}

Party& Topology::literal_destination(const IpAddress& wanted) {
  if (wanted.is_loopback() || node_addresses_.contains(wanted)) return *node_a_;
  const auto is_pod =
      std::ranges::any_of(pods_, [&](const Pods& pods) { return pods.range.contains(wanted); });
  if (is_pod || is_external(wanted)) return owner(wanted);
  if (upstream_addresses_.insert(wanted).second) {
    upstream_->links.add_address("lo", wanted, proxy::address_bits(wanted.family()));
  }
  return *upstream_;
}

Party& Topology::add_pod(const IpAddress& wanted, Party& node) {
  auto& pod = add_party("pod " + wanted.text(), false);
  const auto device = "pod" + std::to_string(next_pod_++);
  pod.links.add_veth({"eth0", pod.net, kPodMac}, {device, node.net, kGatewayMac});
  node.links.connect(device, pod.links, "eth0");
  pod.links.add_address("eth0", wanted, proxy::address_bits(wanted.family()));

  const auto gateway = address(kGateways[wanted.family() == Family::v4 ? 0 : 1]);
  pod.links.add_neighbour("eth0", gateway, kGatewayMac);
  pod.links.add_route({.to = everything(wanted.family()), .device = "eth0", .via = gateway});
  node.links.add_neighbour(device, wanted, kPodMac);
  node.links.add_route({.to = IpPrefix::host(wanted), .device = device});
  made_[wanted] = &pod;
  return pod;
}

Party& Topology::add_client(const IpAddress& wanted) {
  auto& client = add_party("client " + wanted.text(), false);
  join_lan(client, next_client_++);
  client.links.add_address("eth0", wanted, proxy::address_bits(wanted.family()));
  client.links.add_route({.to = prefix("192.168.0.0/24"), .device = "eth0"});
  client.links.add_route({.to = prefix("2001:db8::/64"), .device = "eth0"});
  route_clients_directly(client);
  route_all(client, {"10.180.1.0/24", "fd00:10:180:1::/64"}, kNodeB);
  route_all(client, {"10.180.2.0/24", "fd00:10:180:2::/64"}, kNodeC);
  route_rest(client, kNodeA);
  made_[wanted] = &client;
  return client;
}

void Topology::add_node_address(const IpAddress& wanted) {
  if (!node_addresses_.insert(wanted).second) return;
  // No route has to be taught: what nobody knows better goes to node-a.
  node_a_->links.add_address("lo", wanted, proxy::address_bits(wanted.family()));
}

bool Topology::is_on_node_a(const IpAddress& wanted) const {
  if (wanted.is_loopback() || node_addresses_.contains(wanted)) return true;
  return std::ranges::any_of(
      pods_, [&](const Pods& pods) { return pods.node == node_a_ && pods.range.contains(wanted); });
}

bool Topology::is_external(const IpAddress& wanted) {
  return std::ranges::any_of(client_ranges(),
                             [&](const IpPrefix& range) { return range.contains(wanted); });
}

std::map<std::string, int> Topology::descriptors() const {
  std::map<std::string, int> result;
  for (const auto& [name, party] : parties_) result[name] = party->net.fd();
  return result;
}

}  // namespace netns
