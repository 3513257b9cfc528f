#include "modes/ipvs/wishes.hpp"

namespace modes::ipvs {

Forwarding Wishes::forwarding(const ServicePortName& name, const proxy::state::ServicePort& port,
                              const NodeFacts& node) {
  auto out = forwarding_of(name, port, settings_, node);
  auto& told = complaints_[name];
  if (out.complaint != told) {
    told = out.complaint;
    if (!told.empty()) advise_(name.text() + ": " + told + "; it gets the node's scheduler");
  }
  return out;
}

VirtualServers Wishes::hold_all(const ServiceTable& wanted, const NodeFacts& node) {
  for (const auto& name : holdings_.names()) {
    if (wanted.find(name) == nullptr) drop(name);
  }
  std::vector<std::pair<ServicePortName, VirtualServers>> all;
  wanted.for_each([&](const ServicePortName& name, const proxy::state::ServicePort& port) {
    auto one = forwarding(name, port, node);
    holdings_.set(name, &one);
    all.emplace_back(name, std::move(one.servers));
  });
  VirtualServers out;
  for (auto& [name, servers] : all) {
    for (auto& [key, server] : servers) {
      if (holdings_.servers.find(key) == name) out.insert_or_assign(key, std::move(server));
    }
  }
  return out;
}

Wishes::Some Wishes::hold(const ServiceTable& wanted, std::span<const ServicePortName> changed,
                          const NodeFacts& node) {
  Some out;
  std::map<ServicePortName, Forwarding> known;
  for (const auto& name : changed) {
    const auto before = holdings_.servers_of(name);
    out.keys.insert(before.begin(), before.end());
    const auto* port = wanted.find(name);
    if (port == nullptr) {
      drop(name);
      continue;
    }
    auto& one = known[name] = forwarding(name, *port, node);
    holdings_.set(name, &one);
    for (const auto& [key, server] : one.servers) out.keys.insert(key);
  }
  for (const auto& key : out.keys) {
    const auto owner = holdings_.servers.find(key);
    if (!owner) continue;
    auto it = known.find(*owner);
    if (it == known.end()) {
      const auto* port = wanted.find(*owner);
      if (port == nullptr) continue;
      it = known.emplace(*owner, forwarding(*owner, *port, node)).first;
    }
    if (const auto server = it->second.servers.find(key); server != it->second.servers.end()) {
      out.servers.insert(*server);
    }
  }
  return out;
}

void Wishes::drop(const ServicePortName& name) {
  holdings_.set(name, nullptr);
  complaints_.erase(name);
}

}  // namespace modes::ipvs
