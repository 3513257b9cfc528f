#include "modes/ipvs/holdings.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

namespace modes::ipvs {
namespace {

// Claims what is new and gives up what is gone, in this order: a value that changes is never gone
// in between. What stays is not touched, and goes on being of whoever had it. Both are sorted;
// `entry` makes a key and a value of one.
template <class Claims, class T, class Entry>
void pass_on(Claims& claims, const std::vector<T>& before, const std::vector<T>& after,
             Entry entry) {
  std::vector<T> come, gone;
  std::ranges::set_difference(after, before, std::back_inserter(come));
  std::ranges::set_difference(before, after, std::back_inserter(gone));
  for (const auto& one : come) {
    const auto& [key, value] = entry(one);
    claims.add(key, value);
  }
  for (const auto& one : gone) {
    const auto& [key, value] = entry(one);
    claims.remove(key, value);
  }
}

constexpr auto with_nothing = [](const auto& key) { return std::pair{key, std::monostate{}}; };

}  // namespace

void Holdings::set(const ServicePortName& name, const Forwarding* wanted) {
  const auto it = held_.find(name);
  auto after = wanted == nullptr ? Held{} : held_by(name, *wanted);
  if (it == held_.end()) {
    pass_on(name, {}, after);
    if (wanted != nullptr) held_.emplace(name, std::move(after));
    return;
  }
  // Mostly it is only the endpoints that have changed.
  if (it->second != after) pass_on(name, it->second, after);
  if (wanted == nullptr) {
    held_.erase(it);
  } else {
    it->second = std::move(after);
  }
}

Holdings::Held Holdings::held_by(const ServicePortName& name, const Forwarding& wanted) {
  Held out;
  out.servers.reserve(wanted.servers.size());
  for (const auto& [key, server] : wanted.servers) out.servers.push_back(key);
  out.addresses.assign(wanted.addresses.begin(), wanted.addresses.end());
  out.silent.assign(wanted.silent.begin(), wanted.silent.end());
  out.vips.assign(wanted.vips.begin(), wanted.vips.end());
  for (const auto& [port, fate] : wanted.node_ports) {
    out.node_ports.emplace_back(NodePortKey{name.family, port.first, port.second}, fate);
  }
  out.sources.assign(wanted.sources.begin(), wanted.sources.end());
  return out;
}

void Holdings::pass_on(const ServicePortName& name, const Held& before, const Held& after) {
  const auto with_name = [&](const VirtualServerKey& key) { return std::pair{key, name}; };
  ipvs::pass_on(servers, before.servers, after.servers, with_name);
  ipvs::pass_on(addresses, before.addresses, after.addresses, with_nothing);
  ipvs::pass_on(silent, before.silent, after.silent, with_nothing);
  ipvs::pass_on(vips, before.vips, after.vips, std::identity{});
  ipvs::pass_on(node_ports, before.node_ports, after.node_ports, std::identity{});
  ipvs::pass_on(sources, before.sources, after.sources, with_nothing);
}

std::vector<VirtualServerKey> Holdings::servers_of(const ServicePortName& name) const {
  const auto it = held_.find(name);
  return it == held_.end() ? std::vector<VirtualServerKey>{} : it->second.servers;
}

std::vector<ServicePortName> Holdings::names() const {
  std::vector<ServicePortName> out;
  out.reserve(held_.size());
  for (const auto& [name, held] : held_) out.push_back(name);
  return out;
}

}  // namespace modes::ipvs
