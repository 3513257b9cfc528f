#include "dns/zone_builder.hpp"

#include "dns/hash.hpp"

#include <algorithm>
#include <cassert>

namespace dns {

namespace {

namespace records = proxy::records;

constexpr std::size_t kSvcLabel = 4;     // "\3svc"
constexpr std::size_t kDashedRoom = 40;  // the longest dashed address as a label

}  // namespace

struct ZoneBuilder::ServiceState {
  std::shared_ptr<const ServiceFacts> facts;  // null: only slices so far
  std::vector<SharedSlice> slices;            // EndpointSlices
  std::vector<SharedSlice> endpoints;         // Endpoints; used if there is no slice
  std::vector<SharedSlice> shown;             // those that the zone goes by
  [[nodiscard]] const auto& in_force() const { return slices.empty() ? endpoints : slices; }
};

ZoneBuilder::ZoneBuilder(ZoneOptions options, std::function<std::uint32_t()> unix_time)
    : options_{std::make_shared<const ZoneOptions>(std::move(options))},
      unix_time_{std::move(unix_time)},
      zone_{options_} {}

ZoneBuilder::~ZoneBuilder() = default;

std::unique_ptr<const Zone> ZoneBuilder::snapshot() {
  if (std::exchange(changed_, false)) {
    // Serial arithmetic (RFC 1982) would allow zero; checks for "is there one" do not.
    zone_.serial = std::max({zone_.serial + 1, unix_time_(), std::uint32_t{1}});
  }
  return std::make_unique<const Zone>(zone_);
}

// ── the stream ──────────────────────────────────────────────────────────────────────────────────

void ZoneBuilder::replace(std::span<const records::Record> all) {
  // Object by object, so that what did not change stays as it is and nothing is held twice.
  std::set<records::RecordKey> gone;
  for (const auto& [key, owner] : slices_) gone.insert(key);
  for (const auto& [name, ips] : pods_) gone.insert({records::Kind::pod, name});
  for (const auto& name : declared_namespaces_) {
    gone.insert({records::Kind::name_space, {"", name}});
  }
  std::set<std::string> gone_services;
  for (const auto& [labels, state] : services_) {
    if (state.facts) gone_services.insert(labels);
  }
  for (const auto& record : all) {
    const auto key = records::key_of(record);
    gone.erase(key);
    if (key.kind == records::Kind::service) {
      gone_services.erase(service_labels(key.name.space, key.name.name));
    }
    put(record);
  }
  for (const auto& key : gone) remove(key);
  for (const auto& labels : gone_services) remove_service(labels);
  refresh_touched();
  if (!zone_.synced) {
    zone_.synced = true;
    changed_ = true;
  }
}

void ZoneBuilder::change(std::span<const proxy::sources::Change> changes) {
  for (const auto& change : changes) {
    if (const auto* removal = std::get_if<proxy::sources::Removal>(&change)) {
      remove(removal->key);
    } else {
      put(std::get<records::Record>(change));
    }
  }
  refresh_touched();
}

void ZoneBuilder::put(const records::Record& record) {
  const auto& space = records::name_of(record).space;
  if (!space.empty() && !is_served(space)) return;
  if (const auto* service = std::get_if<records::Service>(&record)) put_service(*service);
  if (const auto* slice = std::get_if<records::EndpointSlice>(&record)) put_slice(*slice);
  if (const auto* endpoints = std::get_if<records::Endpoints>(&record)) put_endpoints(*endpoints);
  if (const auto* space_record = std::get_if<records::Namespace>(&record)) {
    put_namespace(space_record->name.name);
  }
  if (const auto* pod = std::get_if<records::Pod>(&record)) put_pod(*pod);
}

void ZoneBuilder::remove(const records::RecordKey& key) {
  switch (key.kind) {
    case records::Kind::service:
      remove_service(service_labels(key.name.space, key.name.name));
      break;
    case records::Kind::endpoint_slice:
    case records::Kind::endpoints:
      remove_slices(key);
      break;
    case records::Kind::name_space:
      if (declared_namespaces_.erase(key.name.name) > 0) {
        count_namespace(label_of(key.name.name), -1);
      }
      break;
    case records::Kind::pod:
      remove_pod(key.name);
      break;
    case records::Kind::node:
    case records::Kind::service_cidr:
      break;
  }
}

bool ZoneBuilder::is_served(const std::string& space) const {
  return options_->namespaces.empty() || options_->namespaces.contains(space);
}

// ── services ────────────────────────────────────────────────────────────────────────────────────

// Empty if the name, or that of an endpoint below it, could not stand in the domain.
std::string ZoneBuilder::service_labels(const std::string& space, const std::string& name) const {
  const auto service = label_of(name);
  const auto label = label_of(space);
  if (service.empty() || label.empty()) return {};
  const std::size_t size =
      kDashedRoom + service.size() + label.size() + kSvcLabel + options_->domain.size();
  return size > kMaxNameSize ? std::string{} : service + label;
}

std::shared_ptr<const ServiceFacts> ZoneBuilder::facts_of(const records::Service& service,
                                                          const std::string& labels) const {
  ServiceFacts facts;
  facts.name = SmallList<std::uint8_t, 40>{bytes_of(labels)};
  facts.hash = zone_.hash(bytes_of(labels));
  facts.publish_not_ready = service.publish_not_ready_addresses;
  if (service.type == records::ServiceType::external_name) {
    facts.kind = ServiceKind::alias;
    if (const auto target = parse_name(service.external_name)) {
      facts.target = text_of(target->wire());
    }
    return std::make_shared<const ServiceFacts>(std::move(facts));
  }
  // Without any cluster IP yet it has neither addresses nor endpoints: the name alone.
  facts.kind = service.headless ? ServiceKind::headless : ServiceKind::virtual_ip;
  std::vector<V4> v4;
  std::vector<V6> v6;
  for (const auto& address : service.cluster_ips) {
    const auto bytes = wire_bytes(address);
    if (bytes.size() == 4) {
      std::copy_n(bytes.begin(), 4, v4.emplace_back().begin());
    } else {
      std::copy_n(bytes.begin(), 16, v6.emplace_back().begin());
    }
  }
  facts.v4 = SmallList<V4, 2>{v4};
  facts.v6 = SmallList<V6, 1>{v6};
  if (!service.headless) {
    for (const auto& port : service.ports) {
      facts.ports.push_back({port_label(port.name), port.protocol, port.port.value});
    }
  }
  facts.ports.shrink_to_fit();
  return std::make_shared<const ServiceFacts>(std::move(facts));
}

void ZoneBuilder::put_service(const records::Service& service) {
  const auto labels = service_labels(service.name.space, service.name.name);
  if (labels.empty()) return;
  auto facts = facts_of(service, labels);
  auto& state = services_[labels];
  if (state.facts && *state.facts == *facts) return;
  if (!state.facts) count_namespace(label_of(service.name.space), +1);
  state.facts = std::move(facts);
  touched_.insert(labels);
}

void ZoneBuilder::remove_service(const std::string& labels) {
  const auto at = services_.find(labels);
  if (at == services_.end() || !at->second.facts) return;
  count_namespace(labels.substr(static_cast<std::size_t>(labels[0]) + 1), -1);
  at->second.facts.reset();
  touched_.insert(labels);
}

// ── endpoints ───────────────────────────────────────────────────────────────────────────────────

void ZoneBuilder::put_slice(const records::EndpointSlice& slice) {
  put_slices(
      records::key_of(slice), service_labels(slice.name.space, slice.service),
      {keep_slice(slice.family, slice.endpoints, slice.ports, options_->endpoint_pod_names)});
}

void ZoneBuilder::put_endpoints(const records::Endpoints& endpoints) {
  std::vector<SharedSlice> slices;
  for (const auto& subset : endpoints.subsets) {
    for (const auto family : proxy::kFamilies) {
      auto slice = keep_slice(family, subset.endpoints, subset.ports, options_->endpoint_pod_names);
      if (slice->size() > 0) slices.push_back(std::move(slice));
    }
  }
  put_slices(records::key_of(endpoints), service_labels(endpoints.name.space, endpoints.name.name),
             std::move(slices));
}

void ZoneBuilder::put_slices(const records::RecordKey& key, const std::string& service,
                             std::vector<SharedSlice> slices) {
  const auto old = slices_.find(key);
  if (old != slices_.end() && old->second.service == service &&
      std::ranges::equal(old->second.slices, slices,
                         [](const auto& a, const auto& b) { return *a == *b; })) {
    return;
  }
  remove_slices(key);
  if (service.empty()) return;  // belongs to no service
  auto& state = services_[service];
  auto& list = key.kind == records::Kind::endpoint_slice ? state.slices : state.endpoints;
  list.insert(list.end(), slices.begin(), slices.end());
  slices_[key] = {service, std::move(slices)};
  touched_.insert(service);
}

void ZoneBuilder::remove_slices(const records::RecordKey& key) {
  const auto at = slices_.find(key);
  if (at == slices_.end()) return;
  auto& [service, slices] = at->second;
  auto& state = services_[service];
  auto& list = key.kind == records::Kind::endpoint_slice ? state.slices : state.endpoints;
  std::erase_if(list, [&](const auto& slice) {
    return std::find(slices.begin(), slices.end(), slice) != slices.end();
  });
  touched_.insert(service);
  slices_.erase(at);
}

// ── what workers see ────────────────────────────────────────────────────────────────────────────

// Does the service exist, as far as DNS says?
bool ZoneBuilder::is_visible(const ServiceState& state, const EndpointTable* endpoints) const {
  if (!state.facts) return false;
  switch (state.facts->kind) {
    case ServiceKind::alias:
      return true;
    case ServiceKind::headless:
      return endpoints != nullptr;
    case ServiceKind::virtual_ip:
      break;
  }
  if (!options_->ignore_empty_service) return true;
  return has_published(*state.facts, state.in_force());
}

void ZoneBuilder::refresh_touched() {
  for (const auto& labels : std::exchange(touched_, {})) refresh(labels);
}

void ZoneBuilder::refresh(const std::string& labels) {
  const auto at = services_.find(labels);
  assert(at != services_.end());
  auto& state = at->second;
  std::optional<ZoneService> after;
  if (state.facts) {
    const std::size_t label_room =
        kMaxNameSize - state.facts->name.size() - kSvcLabel - options_->domain.size();
    auto endpoints = endpoint_table(*state.facts, state.in_force(), label_room);
    if (is_visible(state, endpoints.get())) after = {state.facts, std::move(endpoints)};
  }
  const auto* found = zone_.find_service(bytes_of(labels));
  std::optional<ZoneService> before;
  if (found != nullptr) before = *found;
  // Endpoints that go by their addresses are in no table, so that addresses are compared as well.
  std::vector<IpAddress> old_addresses;
  std::vector<IpAddress> new_addresses;
  if (before) old_addresses = addresses_of(*before->facts, state.shown);
  state.shown.clear();
  if (after) {
    state.shown = state.in_force();
    new_addresses = addresses_of(*after->facts, state.shown);
  }
  if (before && after && before->facts == after->facts && old_addresses == new_addresses &&
      (before->endpoints == after->endpoints ||
       (before->endpoints && after->endpoints && *before->endpoints == *after->endpoints))) {
    return;  // what changed shows nowhere
  }
  const auto hash = zone_.hash(bytes_of(labels));
  const auto same = [&](const ZoneService& service) {
    return text_of(service.facts->labels()) == labels;
  };
  if (before || after) {
    update_addresses(old_addresses, new_addresses, hash);
    if (after) {
      zone_.services.put(hash, *after, same);
    } else {
      zone_.services.erase(hash, same);
    }
    changed_ = true;
  }
  if (!state.facts && state.slices.empty() && state.endpoints.empty()) services_.erase(at);
}

void ZoneBuilder::update_addresses(const std::vector<IpAddress>& old_ones,
                                   const std::vector<IpAddress>& new_ones,
                                   std::uint64_t service_hash) {
  const auto for_each_only_in = [](const auto& some, const auto& others, const auto& act) {
    for (const auto& address : some) {
      if (!std::binary_search(others.begin(), others.end(), address)) act(address);
    }
  };
  const auto same = [&](const IpAddress& address) {
    return [&, service_hash](const ZoneAddress& entry) {
      return entry.address == address && entry.service_hash == service_hash;
    };
  };
  for_each_only_in(old_ones, new_ones, [&](const IpAddress& address) {
    zone_.addresses.erase(zone_.hash(address), same(address));
  });
  for_each_only_in(new_ones, old_ones, [&](const IpAddress& address) {
    zone_.addresses.put(zone_.hash(address), {address, service_hash}, same(address));
  });
}

// ── namespaces and pods ─────────────────────────────────────────────────────────────────────────

void ZoneBuilder::put_namespace(const std::string& name) {
  if (!is_served(name) || !declared_namespaces_.insert(name).second) return;
  count_namespace(label_of(name), +1);
}

// A namespace exists if there is such an object, or anything in it: those who write manifests by
// hand rarely write Namespaces.
void ZoneBuilder::count_namespace(const std::string& label, int change) {
  if (label.empty()) return;
  auto& count = namespaces_[label];
  const bool existed = count > 0;
  count += change;
  const bool exists = count > 0;
  const auto hash = zone_.hash(bytes_of(label));
  const auto same = [&](const auto& known) { return *known == label; };
  if (exists && !existed) {
    zone_.namespaces.put(hash, std::make_shared<const std::string>(label), same);
    changed_ = true;
  } else if (existed && !exists) {
    zone_.namespaces.erase(hash, same);
    changed_ = true;
  }
  if (!exists) namespaces_.erase(label);
}

void ZoneBuilder::put_pod(const records::Pod& pod) {
  if (options_->pod_records != PodRecords::verified && !options_->know_pods) return;
  // One that is being deleted is going to lose its address, as CoreDNS has it too.
  const bool counts = !pod.finished && !pod.terminating && !pod.ips.empty();
  const auto old = pods_.find(pod.name);
  if (counts && old != pods_.end() && old->second.ips == pod.ips &&
      old->second.host_network == pod.host_network) {
    return;
  }
  remove_pod(pod.name);
  if (!counts) return;
  const auto label = label_of(pod.name.space);
  if (label.empty()) return;
  const auto* known = zone_.namespaces.find(zone_.hash(bytes_of(label)),
                                            [&](const auto& name) { return *name == label; });
  const auto shared = known != nullptr ? *known : std::make_shared<const std::string>(label);
  for (const auto& address : pod.ips) {
    zone_.pods.put(zone_.hash(address), {address, shared, pod.host_network, pod.name.name},
                   is_pod(address, pod.name, label));
  }
  pods_[pod.name] = {pod.ips, pod.host_network};
  changed_ = true;
}

void ZoneBuilder::remove_pod(const records::ObjectName& name) {
  const auto at = pods_.find(name);
  if (at == pods_.end()) return;
  const auto label = label_of(name.space);
  for (const auto& address : at->second.ips) {
    zone_.pods.erase(zone_.hash(address), is_pod(address, name, label));
  }
  pods_.erase(at);
  changed_ = true;
}

std::function<bool(const ZonePod&)> ZoneBuilder::is_pod(const IpAddress& address,
                                                        const records::ObjectName& name,
                                                        const std::string& label) {
  return [&](const ZonePod& pod) {
    return pod.address == address && pod.name == name.name && *pod.namespace_label == label;
  };
}

}  // namespace dns
