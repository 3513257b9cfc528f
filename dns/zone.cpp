#include "dns/zone.hpp"

#include "dns/hash.hpp"

#include <algorithm>

namespace dns {

namespace {

using namespace std::string_view_literals;

bool is(Bytes label, std::string_view text) {
  return text_of(label) == text;
}

std::optional<Protocol> parse_protocol_label(Bytes label) {
  if (is(label, "\4_tcp"sv)) return Protocol::tcp;
  if (is(label, "\4_udp"sv)) return Protocol::udp;
  if (is(label, "\5_sctp"sv)) return Protocol::sctp;
  return std::nullopt;
}

bool has_port(const ZoneService& service, Bytes label, Protocol protocol) {
  const auto same = [&](const PortFacts& port) {
    return port.protocol == protocol && text_of(label) == port.label;
  };
  if (service.facts->kind == ServiceKind::virtual_ip) {
    return std::any_of(service.facts->ports.begin(), service.facts->ports.end(), same);
  }
  if (!service.endpoints) return false;
  const auto groups = service.endpoints->groups();
  return std::any_of(groups.begin(), groups.end(),
                     [&](const auto& group) { return same(group.port); });
}

bool has_protocol(const ZoneService& service, Protocol protocol) {
  if (service.facts->kind == ServiceKind::virtual_ip) return service.facts->has_protocol(protocol);
  return service.endpoints && service.endpoints->has_protocol(protocol);
}

Zone::Match of_service(Zone::Kind kind, const ZoneService& service) {
  Zone::Match match;
  match.kind = kind;
  match.service = service.facts.get();
  match.endpoints = service.endpoints.get();
  return match;
}

Zone::Match only(Zone::Kind kind) {
  Zone::Match match;
  match.kind = kind;
  return match;
}

}  // namespace

Zone::Zone(std::shared_ptr<const ZoneOptions> zone_options) : options{std::move(zone_options)} {}

std::uint64_t Zone::hash(Bytes key) const {
  return hash_bytes(key, options->hash_seed);
}

const ZoneService* Zone::find_service(Bytes labels) const {
  return services.find(hash(labels), [&](const ZoneService& service) {
    return text_of(labels) == text_of(service.facts->labels());
  });
}

std::optional<std::uint64_t> Zone::service_hash_of(Bytes query) const {
  LowerName name;
  Reader reader{query};
  reader.skip(header::kSize);
  if (!name.read_question(reader) || !name.is_below_or_at(options->domain)) return std::nullopt;
  const std::size_t labels = name.label_count() - options->domain.label_count();
  if (labels < 3 || !is(name.label(labels - 1), "\3svc"sv)) return std::nullopt;
  return hash(name.labels(labels - 3, labels - 1));
}

void Zone::prefetch(std::span<const std::uint64_t> service_hashes) const {
  for (const auto hash : service_hashes) services.prefetch_bucket(hash);
  for (const auto hash : service_hashes) services.prefetch_slots(hash);
  for (const auto hash : service_hashes) {
    services.visit(hash, [](const ZoneService& service) {
      const auto* facts = reinterpret_cast<const char*>(service.facts.get());
      for (std::size_t at = 0; at < sizeof(ServiceFacts); at += 64) __builtin_prefetch(facts + at);
      return true;
    });
  }
}

bool Zone::has_namespace(Bytes label) const {
  return namespaces.find(hash(label),
                         [&](const auto& known) { return text_of(label) == *known; }) != nullptr;
}

Bytes Zone::namespace_of_pod(const IpAddress& address) const {
  const ZonePod* only_one = nullptr;
  bool unclear = false;
  pods.visit(hash(address), [&](const ZonePod& pod) {
    if (pod.address != address) return true;
    unclear = unclear || pod.shared_address || only_one != nullptr;
    only_one = &pod;
    return true;
  });
  if (only_one == nullptr || unclear) return {};
  return bytes_of(*only_one->namespace_label);
}

bool Zone::has_pod(const IpAddress& address, Bytes namespace_label) const {
  return pods.find(hash(address), [&](const ZonePod& pod) {
    return pod.address == address && text_of(namespace_label) == *pod.namespace_label;
  }) != nullptr;
}

Zone::Match Zone::find(const LowerName& name) const {
  if (!name.is_below_or_at(options->domain)) return find_short(name);
  const std::size_t labels = name.label_count() - options->domain.label_count();
  if (labels == 0) return only(Kind::apex);
  for (const auto& others : options->delegated) {
    if (name.is_below_or_at(others)) return only(Kind::outside);
  }
  const auto top = name.label(labels - 1);
  if (is(top, "\3svc"sv)) return find_below_svc(name, labels);
  if (is(top, "\3pod"sv)) return find_below_pod(name, labels);
  if (is(top, "\13dns-version"sv)) return only(labels == 1 ? Kind::schema_version : Kind::no_name);
  if (is(top, "\3dns"sv)) {
    if (labels == 1) return only(Kind::empty);
    if (labels == 2 && is(name.label(0), "\2ns"sv)) return only(Kind::name_server);
  }
  return only(Kind::no_name);
}

// `labels`: how many stand before the domain; the last of them is "svc".
Zone::Match Zone::find_below_svc(const LowerName& name, std::size_t labels) const {
  if (labels == 1) return only(Kind::empty);
  if (labels == 2) {
    return only(has_namespace(name.label(0)) ? Kind::empty : Kind::no_name);
  }
  if (labels > 5) return only(Kind::no_name);
  const std::size_t below = labels - 3;  // labels in front of the service's
  const auto* service = find_service(name.labels(below, below + 2));
  if (service == nullptr) return only(Kind::no_name);
  if (below == 0) return of_service(Kind::service, *service);
  if (below == 2) return find_port(*service, name.label(0), name.label(1));
  if (const auto protocol = parse_protocol_label(name.label(0))) {
    return only(has_protocol(*service, *protocol) ? Kind::empty : Kind::no_name);
  }
  return find_endpoint(*service, name.label(0));
}

Zone::Match Zone::find_port(const ZoneService& service, Bytes port, Bytes protocol_label) const {
  const auto protocol = parse_protocol_label(protocol_label);
  if (!protocol || !has_port(service, port, *protocol)) return only(Kind::no_name);
  auto match = of_service(Kind::service_port, service);
  match.port_label = port;
  match.protocol = *protocol;
  return match;
}

// A label directly below a service: an endpoint's hostname or dashed address.
Zone::Match Zone::find_endpoint(const ZoneService& service, Bytes label) const {
  auto match = of_service(Kind::endpoint, service);
  if (service.endpoints) {
    match.named = service.endpoints->find_label(label);
    if (!match.named.empty()) return match;
  }
  if (service.facts->kind == ServiceKind::alias) return only(Kind::no_name);
  match.address = parse_dashed(text_of(label.subspan(1)));
  if (!match.address) return only(Kind::no_name);
  const auto bytes = wire_bytes(*match.address);
  if (service.facts->kind == ServiceKind::headless) {
    const bool known = service.endpoints && service.endpoints->find_address(bytes);
    return known ? match : only(Kind::no_name);
  }
  const auto* entry = addresses.find(hash(bytes), [&](const ZoneAddress& known) {
    return known.address == *match.address && known.service_hash == service.facts->hash;
  });
  const bool known = entry != nullptr && !service.facts->has_address(bytes);
  return known ? match : only(Kind::no_name);
}

Zone::Match Zone::find_below_pod(const LowerName& name, std::size_t labels) const {
  if (labels == 1) return only(Kind::empty);  // the schema's, whether or not there is any below
  if (options->pod_records == PodRecords::disabled || labels > 3) return only(Kind::no_name);
  const auto space = name.label(labels - 2);
  if (labels == 2) return only(has_namespace(space) ? Kind::empty : Kind::no_name);
  const auto address = parse_dashed(text_of(name.label(0).subspan(1)));
  if (!address) return only(Kind::no_name);
  const bool exists = options->pod_records == PodRecords::verified ? has_pod(*address, space)
                                                                   : has_namespace(space);
  if (!exists) return only(Kind::no_name);
  auto match = only(Kind::pod);
  match.address = address;
  return match;
}

// service.namespace[.svc] and _port._protocol.service.namespace[.svc]: ours only if they exist.
Zone::Match Zone::find_short(const LowerName& name) const {
  std::size_t labels = name.label_count();
  if (!options->short_names || labels < 2 || labels > 5) return only(Kind::outside);
  if (labels != 2 && is(name.label(labels - 1), "\3svc"sv)) --labels;
  if (labels != 2 && labels != 4) return only(Kind::outside);
  const auto* service = find_service(name.labels(labels - 2, labels));
  if (service == nullptr) return only(Kind::outside);
  auto match = labels == 2 ? of_service(Kind::service, *service)
                           : find_port(*service, name.label(0), name.label(1));
  if (match.kind == Kind::no_name) return only(Kind::outside);
  match.short_form = true;
  return match;
}

}  // namespace dns
