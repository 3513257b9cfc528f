#include "modes/ipvs/holdings.hpp"

namespace modes::ipvs {

void Holdings::set(const ServicePortName& name, const Forwarding* wanted) {
  const auto it = held_.find(name);
  // Claimed first and given up afterwards: what stays is never gone in between, and goes on being
  // of whoever had it.
  std::optional<Held> before;
  if (it != held_.end()) before = std::move(it->second);
  if (wanted == nullptr) {
    if (it != held_.end()) held_.erase(it);
  } else {
    Held held;
    for (const auto& [key, server] : wanted->servers) {
      servers.add(key, name);
      held.servers.push_back(key);
    }
    for (const auto& ip : wanted->addresses) {
      addresses.add(ip, {});
      held.addresses.push_back(ip);
    }
    for (const auto& ip : wanted->silent) {
      silent.add(ip, {});
      held.silent.push_back(ip);
    }
    for (const auto& vip : wanted->vips) {
      vips.add(vip.first, vip.second);
      held.vips.push_back(vip);
    }
    for (const auto& [port, fate] : wanted->node_ports) {
      const NodePortKey key{name.family, port.first, port.second};
      node_ports.add(key, fate);
      held.node_ports.emplace_back(key, fate);
    }
    for (const auto& source : wanted->sources) {
      sources.add(source, {});
      held.sources.push_back(source);
    }
    held_[name] = std::move(held);
  }
  if (before) give_up(name, *before);
}

void Holdings::give_up(const ServicePortName& name, const Held& held) {
  for (const auto& key : held.servers) servers.remove(key, name);
  for (const auto& ip : held.addresses) addresses.remove(ip, {});
  for (const auto& ip : held.silent) silent.remove(ip, {});
  for (const auto& [key, fate] : held.vips) vips.remove(key, fate);
  for (const auto& [key, fate] : held.node_ports) node_ports.remove(key, fate);
  for (const auto& source : held.sources) sources.remove(source, {});
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
