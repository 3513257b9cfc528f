#include "proxy/state/service_table.hpp"

#include "proxy/node_ports.hpp"
#include "proxy/state/endpoint_choice.hpp"
#include "proxy/state/endpoint_merge.hpp"
#include "proxy/state/service_ports.hpp"
#include "proxy/state/vip_claims.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace proxy::state {
namespace {

using records::ObjectName;

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

struct NameHash {
  std::size_t operator()(const ObjectName& name) const noexcept {
    const auto hash = std::hash<std::string>{};
    return hash(name.space) * 31 + hash(name.name);
  }
};

struct PortEntry {
  ServicePortName name;
  ServicePort port;  // what is forwarded, if anything is
  // What the Service asks for, where it did not get all of it; null: `port` is all it asks for.
  std::unique_ptr<ServicePort> denied_wish;
  bool has_cluster_ip = false;  // and not another service port: without it nothing is forwarded
  bool shown = false;           // in the table, as far as anybody outside can see

  [[nodiscard]] const ServicePort& wish() const { return denied_wish ? *denied_wish : port; }
  [[nodiscard]] Vip cluster_vip() const { return {wish().cluster_ip, wish().port, name.protocol}; }
};

// One Service as far as it is known: slices may come before their Service and outlive it.
struct ServiceEntry {
  std::vector<std::unique_ptr<PortEntry>> ports;  // by name; claims point to the entries
  std::vector<KnownSlice> slices;                 // by name
  std::vector<std::string> remarks;               // on the Service itself
  bool touched = false;                           // to be computed anew before the change ends

  [[nodiscard]] bool is_unknown() const {
    return ports.empty() && slices.empty() && remarks.empty();
  }
};

using Services = std::map<ObjectName, ServiceEntry>;

const auto kPortName = [](const std::unique_ptr<PortEntry>& entry) -> const ServicePortName& {
  return entry->name;
};

// All VIPs that `port` asks for besides its cluster IP.
void for_each_outer_vip(const ServicePortName& name, const ServicePort& port, const auto& visit) {
  for (const auto& ip : port.load_balancer_ips) {
    visit(Vip{ip, port.port, name.protocol}, VipRole::load_balancer_ip);
  }
  for (const auto& ip : port.external_ips) {
    visit(Vip{ip, port.port, name.protocol}, VipRole::external_ip);
  }
  if (port.node_port) {
    visit(Vip::node_port(name.family, *port.node_port, name.protocol), VipRole::node_port);
  }
}

ServicePort without_endpoints(ServicePort port) {
  port.cluster_endpoints = port.local_endpoints = port.serving_endpoints = {};
  port.has_any_endpoint = false;
  return port;
}

}  // namespace

// A change goes in two steps. First the records are taken in: slices replace slices, and service
// ports give up and make their claims to VIPs, so that ownership is settled at every moment. Each
// service that this touches is noted. Then each of those is computed anew, once.
struct ServiceTable::Impl {
  NodeIdentity identity;
  std::optional<records::Node> node;
  std::string zone;  // empty: the node has none

  Services services;
  std::unordered_map<ObjectName, Services::iterator, NameHash> service_of_slice;
  VipClaims claims;
  std::vector<Services::iterator> touched;

  std::set<ServicePortName> changes;
  std::map<ObjectName, HealthCheck> health_checks;
  std::set<ObjectName> health_check_changes;
  std::set<ObjectName> with_remarks;
  std::size_t shown_ports = 0;
  std::size_t serving_endpoints = 0;

  // ── taking records in ─────────────────────────────────────────────────────────────────────────

  Services::iterator service_named(const ObjectName& name) {
    return services.try_emplace(name).first;
  }

  void touch(Services::iterator service) {
    if (std::exchange(service->second.touched, true)) return;
    touched.push_back(service);
  }

  void take(const records::Service& service) {
    auto wanted = wanted_ports(service);
    if (wanted.ports.empty() && wanted.remarks.empty() && !services.contains(service.name)) return;
    const auto at = service_named(service.name);
    set_ports(at, std::move(wanted.ports));
    if (at->second.remarks != wanted.remarks) {
      at->second.remarks = std::move(wanted.remarks);
      touch(at);
    }
  }

  void take(const records::EndpointSlice& slice) {
    const ObjectName service_name{slice.name.space, slice.service};
    const auto indexed = service_of_slice.find(slice.name);
    if (indexed != service_of_slice.end() && indexed->second->first != service_name) {
      remove_slice(slice.name);
    }
    if (slice.service.empty() || slice.headless_label) {
      remove_slice(slice.name);
      return;
    }
    const auto at = service_named(service_name);
    service_of_slice.insert_or_assign(slice.name, at);

    auto known = known_slice(slice, identity.name);
    auto& slices = at->second.slices;
    const auto place = std::ranges::lower_bound(slices, known.name, {}, &KnownSlice::name);
    if (place == slices.end() || place->name != known.name) {
      slices.insert(place, std::move(known));
    } else if (*place != known) {
      *place = std::move(known);
    } else {
      return;
    }
    touch(at);
  }

  void take(const records::Node& own) {
    if (own.name.name != identity.name) return;
    node = own;
    const auto label = own.labels.find(kZoneLabel);
    const auto now = label == own.labels.end() ? std::string{} : label->second;
    if (std::exchange(zone, now) == now) return;
    for (auto at = services.begin(); at != services.end(); ++at) {
      if (std::ranges::any_of(at->second.slices, &KnownSlice::has_zone_hints)) touch(at);
    }
  }

  // Pods, namespaces and service CIDRs are for DNS and for modes; Endpoints have become
  // EndpointSlices before they get here.
  void take(const auto&) {}

  void remove(const records::RecordKey& key) {
    if (key.kind == records::Kind::endpoint_slice) {
      remove_slice(key.name);
    } else if (key.kind == records::Kind::service) {
      remove_service(key.name);
    }
  }

  void remove_service(const ObjectName& name) {
    const auto at = services.find(name);
    if (at == services.end()) return;
    set_ports(at, {});
    at->second.remarks.clear();
    touch(at);
  }

  void remove_slice(const ObjectName& name) {
    const auto indexed = service_of_slice.find(name);
    if (indexed == service_of_slice.end()) return;
    const auto at = indexed->second;
    std::erase_if(at->second.slices, [&](const auto& slice) { return slice.name == name.name; });
    service_of_slice.erase(indexed);
    touch(at);
  }

  // ── service ports and their claims ────────────────────────────────────────────────────────────

  void set_ports(Services::iterator service, std::vector<WantedPort> wanted) {
    auto& entries = service->second.ports;
    const auto is_gone = [&](const auto& entry) {
      return !std::ranges::binary_search(wanted, entry->name, {}, &WantedPort::name);
    };
    // In two steps: what one gives up, another of these entries may get and has to be found.
    for (const auto& entry : entries) {
      if (is_gone(entry)) retire(*entry);
    }
    if (std::erase_if(entries, is_gone) != 0) touch(service);
    for (auto& [name, port] : wanted) {
      const auto place = std::ranges::lower_bound(entries, name, {}, kPortName);
      if (place == entries.end() || (*place)->name != name) {
        auto entry = std::make_unique<PortEntry>();
        entry->name = std::move(name);
        wish_for(**entries.insert(place, std::move(entry)), std::move(port));
      } else if (without_endpoints((*place)->wish()) != port) {
        give_up_claims(**place);
        wish_for(**place, std::move(port));
      } else {
        continue;
      }
      touch(service);
    }
    entries.shrink_to_fit();
  }

  void wish_for(PortEntry& entry, ServicePort port) {
    // The port as it is shown stays until the change ends, to be compared with.
    entry.denied_wish = std::make_unique<ServicePort>(std::move(port));
    const auto vip = entry.cluster_vip();
    if (const auto loser = claims.add(vip, VipRole::cluster_ip, entry.name)) {
      auto& other = touched_entry(*loser);
      if (loser->role == VipRole::cluster_ip) {
        other.has_cluster_ip = false;
        give_up_outer_claims(other);
      }
    }
    entry.has_cluster_ip = claims.owner(vip) == &entry.name;
    if (entry.has_cluster_ip) make_outer_claims(entry);
  }

  void give_up_claims(PortEntry& entry) {
    if (std::exchange(entry.has_cluster_ip, false)) give_up_outer_claims(entry);
    if (const auto heir = claims.remove(entry.cluster_vip(), VipRole::cluster_ip, entry.name)) {
      auto& other = touched_entry(*heir);
      if (heir->role == VipRole::cluster_ip) {
        other.has_cluster_ip = true;
        make_outer_claims(other);
      }
    }
  }

  void make_outer_claims(const PortEntry& entry) {
    for_each_outer_vip(entry.name, entry.wish(), [&](const Vip& vip, VipRole role) {
      if (const auto loser = claims.add(vip, role, entry.name)) touched_entry(*loser);
    });
  }

  void give_up_outer_claims(const PortEntry& entry) {
    for_each_outer_vip(entry.name, entry.wish(), [&](const Vip& vip, VipRole role) {
      if (const auto heir = claims.remove(vip, role, entry.name)) touched_entry(*heir);
    });
  }

  void retire(PortEntry& entry) {
    give_up_claims(entry);
    hide(entry);
  }

  // The service port that made the claim. Its service is touched.
  PortEntry& touched_entry(const Claim& claim) {
    const auto& name = *claim.claimant;
    const auto service = services.find(name.service);
    assert(service != services.end());
    touch(service);
    return **std::ranges::lower_bound(service->second.ports, name, {}, kPortName);
  }

  // ── computing what is forwarded ───────────────────────────────────────────────────────────────

  void settle() {
    for (const auto service : touched) {
      auto& [name, entry] = *service;
      entry.touched = false;
      for (auto& port : entry.ports) settle(*port, entry.slices);
      settle_health_check(name, entry);
      settle_remarks(name, entry);
      if (entry.is_unknown()) services.erase(service);
    }
    touched.clear();
  }

  void settle(PortEntry& entry, std::span<const KnownSlice> slices) {
    if (!entry.has_cluster_ip) {
      hide(entry);
      return;
    }
    auto now = without_endpoints(entry.wish());
    const bool got_all = !drop_vips_of_others(entry.name, now);
    choose_endpoints(now, merge_endpoints(slices, entry.name), zone);

    auto wish = got_all ? nullptr : std::make_unique<ServicePort>(without_endpoints(entry.wish()));
    if (!entry.shown || now != entry.port) {
      hide(entry);
      entry.port = std::move(now);
      show(entry);
    }
    entry.denied_wish = std::move(wish);
  }

  // True if there were some.
  bool drop_vips_of_others(const ServicePortName& name, ServicePort& port) const {
    const auto is_of_others = [&](const Vip& vip) { return claims.owner(vip) != &name; };
    const auto is_ip_of_others = [&](const IpAddress& ip) {
      return is_of_others({ip, port.port, name.protocol});
    };
    auto dropped = std::erase_if(port.load_balancer_ips, is_ip_of_others) +
                   std::erase_if(port.external_ips, is_ip_of_others);
    if (port.node_port &&
        is_of_others(Vip::node_port(name.family, *port.node_port, name.protocol))) {
      port.node_port.reset();
      ++dropped;
    }
    return dropped != 0;
  }

  void show(PortEntry& entry) {
    entry.shown = true;
    ++shown_ports;
    serving_endpoints += entry.port.serving_endpoints.size();
    changes.insert(entry.name);
  }

  void hide(PortEntry& entry) {
    if (!std::exchange(entry.shown, false)) return;
    --shown_ports;
    serving_endpoints -= entry.port.serving_endpoints.size();
    changes.insert(entry.name);
  }

  void settle_health_check(const ObjectName& name, const ServiceEntry& entry) {
    std::optional<HealthCheck> now;
    for (const auto& port : entry.ports) {
      if (!port->shown || !port->port.health_check_node_port) continue;
      if (!now) now.emplace().port = *port->port.health_check_node_port;
      auto& count = now->local_endpoints[static_cast<std::size_t>(port->name.family)];
      if (!count) count = local_ready_addresses(entry.slices, port->name.family);
    }
    const auto at = health_checks.find(name);
    if (at == health_checks.end() ? !now : now == at->second) return;
    health_check_changes.insert(name);
    if (now) {
      health_checks.insert_or_assign(name, *now);
    } else {
      health_checks.erase(at);
    }
  }

  // ── remarks ───────────────────────────────────────────────────────────────────────────────────

  void settle_remarks(const ObjectName& name, const ServiceEntry& entry) {
    if (remarks_on(name, entry).empty()) {
      with_remarks.erase(name);
    } else {
      with_remarks.insert(name);
    }
  }

  std::vector<sources::Problem> remarks_on(const ObjectName& name,
                                           const ServiceEntry& entry) const {
    std::vector<sources::Problem> remarks;
    const auto where = "Service " + name.text();
    remarks.reserve(entry.remarks.size());
    for (const auto& remark : entry.remarks) remarks.push_back({where, remark});
    for (const auto& port : entry.ports) {
      const auto remark_if_lost = [&](const Vip& vip, VipRole) {
        const auto* owner = claims.owner(vip);
        if (!owner || owner == &port->name) return;
        remarks.push_back({where, "port \"" + port->name.port + "\": " + vip.text() +
                                      " belongs to Service " + owner->text()});
      };
      remark_if_lost(port->cluster_vip(), VipRole::cluster_ip);
      if (port->has_cluster_ip) for_each_outer_vip(port->name, port->wish(), remark_if_lost);
    }
    if (entry.ports.empty()) return remarks;
    for (const auto& slice : entry.slices) {
      if (slice.wrong_family == 0) continue;
      remarks.push_back({"EndpointSlice " + ObjectName{name.space, slice.name}.text(),
                         std::to_string(slice.wrong_family) + " endpoints are not of its " +
                             "addressType " + std::string{to_string(slice.family)}});
    }
    return remarks;
  }
};

ServiceTable::ServiceTable(NodeIdentity node) : impl_{std::make_unique<Impl>()} {
  impl_->identity = std::move(node);
}

ServiceTable::~ServiceTable() = default;

void ServiceTable::replace(std::vector<records::Record> all) {
  std::unordered_set<ObjectName, NameHash> services;
  std::unordered_set<ObjectName, NameHash> slices;
  for (const auto& record : all) {
    const auto kind = records::kind_of(record);
    if (kind == records::Kind::service) services.insert(records::name_of(record));
    if (kind == records::Kind::endpoint_slice) slices.insert(records::name_of(record));
  }
  std::vector<records::RecordKey> gone;
  gone.reserve(impl_->services.size() + impl_->service_of_slice.size());
  for (const auto& [name, entry] : impl_->services) {
    if (!services.contains(name)) gone.push_back({records::Kind::service, name});
  }
  for (const auto& [name, service] : impl_->service_of_slice) {
    if (!slices.contains(name)) gone.push_back({records::Kind::endpoint_slice, name});
  }
  for (const auto& key : gone) impl_->remove(key);
  // From the back, so that each record's memory is free for what the table keeps of the next one.
  for (; !all.empty(); all.pop_back()) {
    std::visit([&](const auto& object) { impl_->take(object); }, all.back());
  }
  impl_->settle();
}

void ServiceTable::change(const std::vector<sources::Change>& changes) {
  for (const auto& change : changes) {
    if (const auto* removal = std::get_if<sources::Removal>(&change)) {
      impl_->remove(removal->key);
    } else {
      std::visit([&](const auto& object) { impl_->take(object); },
                 std::get<records::Record>(change));
    }
  }
  impl_->settle();
}

const ServicePort* ServiceTable::find(const ServicePortName& name) const {
  const auto service = impl_->services.find(name.service);
  if (service == impl_->services.end()) return nullptr;
  const auto& ports = service->second.ports;
  const auto at = std::ranges::lower_bound(ports, name, {}, kPortName);
  return at != ports.end() && (*at)->name == name && (*at)->shown ? &(*at)->port : nullptr;
}

void ServiceTable::for_each(
    const std::function<void(const ServicePortName&, const ServicePort&)>& visit) const {
  for (const auto& [name, service] : impl_->services) {
    for (const auto& entry : service.ports) {
      if (entry->shown) visit(entry->name, entry->port);
    }
  }
}

std::size_t ServiceTable::size() const {
  return impl_->shown_ports;
}

std::size_t ServiceTable::endpoint_count() const {
  return impl_->serving_endpoints;
}

const records::Node* ServiceTable::node() const {
  return impl_->node ? &*impl_->node : nullptr;
}

std::vector<IpAddress> ServiceTable::primary_ips() const {
  return primary_addresses(impl_->node ? impl_->node->ips : std::vector<IpAddress>{},
                           impl_->identity.bind_address);
}

std::vector<ServicePortName> ServiceTable::take_changes() {
  const auto changes = std::exchange(impl_->changes, {});
  return {changes.begin(), changes.end()};
}

const std::map<ObjectName, HealthCheck>& ServiceTable::health_checks() const {
  return impl_->health_checks;
}

std::vector<ObjectName> ServiceTable::take_health_check_changes() {
  const auto changes = std::exchange(impl_->health_check_changes, {});
  return {changes.begin(), changes.end()};
}

std::vector<sources::Problem> ServiceTable::remarks() const {
  std::vector<sources::Problem> all;
  for (const auto& name : impl_->with_remarks) {
    std::ranges::move(impl_->remarks_on(name, impl_->services.at(name)), std::back_inserter(all));
  }
  return all;
}

}  // namespace proxy::state
