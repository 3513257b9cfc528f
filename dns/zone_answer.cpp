#include "dns/zone_answer.hpp"

#include <algorithm>

namespace dns {

namespace {

using namespace std::string_view_literals;
using Section = Response::Section;

constexpr std::uint32_t kVersionTtl = 28800;                 // schema 1.1.0, §2.2
constexpr std::uint32_t kMaxDenialTtl = 5;                   // seconds: a new name is seen soon
constexpr std::uint16_t kSrvPriority = 0, kSrvWeight = 100;  // all alike: the client chooses
constexpr std::size_t kSrvHead = 6;                          // priority, weight, port
constexpr std::size_t kRecordHead = 12;  // with a compressed owner, up to the data
constexpr auto kVersionText = "\0051.1.0"sv;
constexpr auto kNameServer = "\2ns\3dns"sv;
constexpr auto kHostmaster = "\12hostmaster"sv;
constexpr auto kSvc = "\3svc"sv;
// The Service that clusters have their DNS behind, whatever serves it.
constexpr auto kDnsService = "\10kube-dns\13kube-system"sv;
constexpr auto kAnyAnswer = "\7RFC8482\0"sv;  // HINFO: CPU "RFC8482", OS ""

Bytes bytes_of_view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// An A or AAAA record for each of `addresses` as far as they fit, starting with number `first`.
// False if there is none.
template <class Address>
bool add_addresses(Response& response, Section section, Response::Offset owner, std::uint32_t ttl,
                   std::span<const Address> addresses, std::size_t first) {
  constexpr auto kType = sizeof(Address) == 4 ? Type::a : Type::aaaa;
  const auto add_all = [&](std::span<const Address> some) {
    return std::all_of(some.begin(), some.end(), [&](const Address& address) {
      return response.add(section, owner, kType, ttl, Bytes{address});
    });
  };
  (void)(add_all(addresses.subspan(first)) && add_all(addresses.first(first)));
  return !addresses.empty();
}

}  // namespace

ZoneAnswer::ZoneAnswer(const Zone& zone, Response& response, std::uint32_t rotation,
                       std::span<const IpAddress> name_server_addresses)
    : zone_{zone},
      response_{response},
      rotation_{rotation},
      name_server_addresses_{name_server_addresses},
      ttl_{zone.options->ttl} {}

bool ZoneAnswer::write(const Zone::Match& match, Type type, Offset owner) {
  switch (match.kind) {
    case Zone::Kind::apex:
      return write_apex(type, owner);
    case Zone::Kind::schema_version:
      return type == Type::txt && response_.add(Section::answer, owner, Type::txt, kVersionTtl,
                                                bytes_of_view(kVersionText));
    case Zone::Kind::name_server:
      return write_name_server(type, Section::answer, owner);
    case Zone::Kind::service:
      return write_service(match, type, owner);
    case Zone::Kind::service_port:
      return type == Type::srv && write_srv(match, owner);
    case Zone::Kind::endpoint:
      return write_endpoint(match, type, owner);
    case Zone::Kind::pod:
      return write_endpoint(match, type, owner);
    case Zone::Kind::outside:
    case Zone::Kind::no_name:
    case Zone::Kind::empty:
      break;
  }
  return false;
}

ZoneAnswer::Offset ZoneAnswer::write_alias(Bytes target, Offset owner) {
  const std::size_t target_at = response_.position() + kRecordHead;
  const bool fits = response_.add(Section::answer, owner, Type::cname, ttl_, target);
  return fits && target_at <= Response::kMaxOffset ? static_cast<Offset>(target_at) : Offset{0};
}

void ZoneAnswer::write_any(Offset owner) {
  response_.add(Section::answer, owner, Type::hinfo, ttl_, bytes_of_view(kAnyAnswer));
}

// ── the apex, denials ───────────────────────────────────────────────────────────────────────────

bool ZoneAnswer::write_apex(Type type, Offset owner) {
  if (type == Type::soa) {
    response_.start(Section::answer, owner, Type::soa, ttl_);
    soa_data(owner);
    return response_.end();
  }
  if (type != Type::ns) return false;
  const std::size_t name_at = response_.position() + kRecordHead;
  response_.start(Section::answer, owner, Type::ns, ttl_);
  response_.data().bytes(kNameServer);
  response_.data().u16(static_cast<std::uint16_t>(0xc000 | owner));
  if (!response_.end()) return true;
  for (const auto glue : {Type::a, Type::aaaa}) {
    write_name_server(glue, Section::additional, static_cast<Offset>(name_at));
  }
  return true;
}

// The domain is written once, or pointed to where the message has it.
void ZoneAnswer::soa_data(std::optional<Offset> domain_at) {
  auto& data = response_.data();
  data.bytes(kNameServer);
  if (!domain_at) {
    domain_at = static_cast<Offset>(data.position());
    data.bytes(zone_.options->domain.wire());
  } else {
    data.u16(static_cast<std::uint16_t>(0xc000 | *domain_at));
  }
  data.bytes(kHostmaster);
  data.u16(static_cast<std::uint16_t>(0xc000 | *domain_at));
  data.u32(zone_.serial);
  data.u32(7200);  // refresh, retry and expire, seconds: as CoreDNS has them; nobody transfers
  data.u32(1800);
  data.u32(86400);
  data.u32(std::min(ttl_, kMaxDenialTtl));  // RFC 2308 §4: how long a denial may be kept
}

void ZoneAnswer::write_denial(const LowerName& question) {
  const auto& domain = zone_.options->domain;
  const std::uint32_t ttl = std::min(ttl_, kMaxDenialTtl);
  if (question.is_below_or_at(domain)) {
    const auto at = static_cast<Offset>(header::kSize + question.size() - domain.size());
    response_.start(Section::authority, at, Type::soa, ttl);
    soa_data(at);
  } else {
    const auto at = static_cast<Offset>(response_.position());
    response_.start(Section::authority, domain.wire(), Type::soa, ttl);
    soa_data(at);
  }
  response_.end();
}

void ZoneAnswer::write_reverse_denial() {
  response_.start(Section::authority, Response::kQuestion, Type::soa,
                  std::min(ttl_, kMaxDenialTtl));
  soa_data(std::nullopt);
  response_.end();
}

bool ZoneAnswer::write_name_server(Type type, Section section, Offset owner) {
  if (type != Type::a && type != Type::aaaa) return false;
  const auto* service = zone_.find_service(bytes_of_view(kDnsService));
  if (service != nullptr && service->facts->kind == ServiceKind::virtual_ip) {
    return write_cluster_ips(*service->facts, type, section, owner);
  }
  bool any = false;
  for (const auto& address : name_server_addresses_) {
    const auto bytes = wire_bytes(address);
    if (type != (bytes.size() == 4 ? Type::a : Type::aaaa)) continue;
    response_.add(section, owner, type, ttl_, bytes);
    any = true;
  }
  return any;
}

// ── services and endpoints ──────────────────────────────────────────────────────────────────────

bool ZoneAnswer::write_cluster_ips(const ServiceFacts& service, Type type, Section section,
                                   Offset owner) {
  if (type == Type::a) {
    return add_addresses(response_, section, owner, ttl_, service.v4.all(), 0);
  }
  return add_addresses(response_, section, owner, ttl_, service.v6.all(), 0);
}

bool ZoneAnswer::write_service(const Zone::Match& match, Type type, Offset owner) {
  if (type == Type::srv) return write_srv(match, owner);
  if (type != Type::a && type != Type::aaaa) return false;
  if (match.service->kind == ServiceKind::virtual_ip) {
    return write_cluster_ips(*match.service, type, Section::answer, owner);
  }
  if (match.endpoints == nullptr) return false;
  const auto write_all = [&](const auto& addresses) {
    return add_addresses(response_, Section::answer, owner, ttl_, addresses,
                         first_of(addresses.size()));
  };
  return type == Type::a ? write_all(match.endpoints->v4()) : write_all(match.endpoints->v6());
}

bool ZoneAnswer::write_endpoint(const Zone::Match& match, Type type, Offset owner) {
  if (type != Type::a && type != Type::aaaa) return false;
  const std::size_t size = type == Type::a ? 4 : 16;
  bool any = false;
  const auto add = [&](Bytes address) {
    if (address.size() != size) return;
    any = true;
    response_.add(Section::answer, owner, type, ttl_, address);
  };
  if (match.address) add(wire_bytes(*match.address));
  const std::size_t first = first_of(match.named.size());
  for (std::size_t i = 0; i < match.named.size(); ++i) {
    add(match.endpoints->address(match.named[(first + i) % match.named.size()].index));
  }
  return any;
}

void ZoneAnswer::write_service_name(Bytes endpoint_label, const ServiceFacts& service) {
  const auto domain = zone_.options->domain.wire();
  auto& data = response_.data();
  const auto labels = service.labels();
  if (endpoint_label.size() + labels.size() + kSvc.size() + domain.size() > kMaxNameSize) {
    data.fail();
    return;
  }
  data.bytes(endpoint_label);
  data.bytes(labels);
  data.bytes(kSvc);
  data.bytes(domain);
}

void ZoneAnswer::write_endpoint_name(const ServiceFacts& service, const EndpointTable& endpoints,
                                     EndpointTable::Index index) {
  const auto label = endpoints.label(index);
  if (label.empty()) {
    write_service_name(dashed_label(endpoints.address(index)).wire(), service);
  } else {
    write_service_name(label, service);
  }
}

// ── SRV ─────────────────────────────────────────────────────────────────────────────────────────

bool ZoneAnswer::write_srv(const Zone::Match& match, Offset owner) {
  if (match.service->kind == ServiceKind::virtual_ip) return write_service_srv(match, owner);
  return match.endpoints != nullptr && write_endpoint_srv(match, owner);
}

void ZoneAnswer::start_srv(Offset owner, std::uint16_t port) {
  response_.start(Section::answer, owner, Type::srv, ttl_);
  response_.data().u16(kSrvPriority);
  response_.data().u16(kSrvWeight);
  response_.data().u16(port);
}

bool ZoneAnswer::write_service_srv(const Zone::Match& match, Offset owner) {
  const std::size_t target_at = response_.position() + kRecordHead + kSrvHead;
  const bool one_port = match.kind == Zone::Kind::service_port;
  const auto& ports = match.service->ports;
  bool any = false;
  for (auto port = ports.begin(); port != ports.end(); ++port) {
    const bool wanted =
        one_port ? port->protocol == match.protocol && port->label == text_of(match.port_label)
                 // Two protocols on one port number are one and the same record here.
                 : std::none_of(ports.begin(), port, [&](const PortFacts& earlier) {
                     return earlier.port == port->port;
                   });
    if (!wanted) continue;
    any = true;
    start_srv(owner, port->port);
    write_service_name({}, *match.service);
    if (!response_.end()) return true;
  }
  if (!any || target_at > Response::kMaxOffset) return any;
  for (const auto type : {Type::a, Type::aaaa}) {
    write_cluster_ips(*match.service, type, Section::additional, static_cast<Offset>(target_at));
  }
  return true;
}

template <class Visitor>
void ZoneAnswer::for_each_target(const Zone::Match& match, const Visitor& visitor) const {
  const auto& endpoints = *match.endpoints;
  const bool one_port = match.kind == Zone::Kind::service_port;
  const auto wanted = [&](const EndpointTable::PortGroup& group) {
    return !one_port ||
           (group.port.protocol == match.protocol && group.port.label == text_of(match.port_label));
  };
  const auto groups = endpoints.groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!wanted(groups[g])) continue;
    const std::size_t count = endpoints.member_count(groups[g]);
    const std::size_t first = first_of(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto index = endpoints.member(groups[g], (first + i) % count);
      bool seen = false;
      bool same_record = false;  // two protocols on one port number
      for (const auto& earlier : groups.first(g)) {
        if (!wanted(earlier) || !endpoints.is_member(earlier, index)) continue;
        seen = true;
        same_record = same_record || earlier.port.port == groups[g].port.port;
      }
      if (!same_record && !visitor(groups[g], index, seen)) return;
    }
  }
}

bool ZoneAnswer::write_endpoint_srv(const Zone::Match& match, Offset owner) {
  const std::size_t records_at = response_.position();
  bool any = false;
  bool all = true;
  for_each_target(match, [&](const auto& group, EndpointTable::Index index, bool) {
    any = true;
    start_srv(owner, group.port.port);
    write_endpoint_name(*match.service, *match.endpoints, index);
    all = response_.end();
    return all;
  });
  if (any && all) add_endpoint_addresses(match, records_at);
  return any;
}

// The addresses of the SRV records' targets, as far as there is room. Each record begins with a
// compressed owner, and its target stands uncompressed at the end of its data.
void ZoneAnswer::add_endpoint_addresses(const Zone::Match& match, std::size_t records_at) {
  const auto& endpoints = *match.endpoints;
  std::size_t at = records_at;
  for_each_target(match, [&](const auto&, EndpointTable::Index index, bool seen) {
    const auto message = response_.message();
    const std::size_t target_at = at + kRecordHead + kSrvHead;
    at += kRecordHead + (std::size_t{message[at + 10]} << 8 | message[at + 11]);
    if (target_at > Response::kMaxOffset) return false;
    const auto add = [&](EndpointTable::Index endpoint) {
      const auto address = endpoints.address(endpoint);
      return response_.add(Section::additional, static_cast<Offset>(target_at),
                           address.size() == 4 ? Type::a : Type::aaaa, ttl_, address);
    };
    if (seen) return true;
    const auto label = endpoints.label(index);
    if (label.empty()) return add(index);
    const auto named = endpoints.find_label(label);
    return std::all_of(named.begin(), named.end(),
                       [&](const auto& entry) { return add(entry.index); });
  });
}

// ── reverse ─────────────────────────────────────────────────────────────────────────────────────

bool ZoneAnswer::write_reverse(const IpAddress& address, Offset owner) {
  return zone_.visit_reverse(
      address, [&](const ZoneService& service, Zone::AddressRole role, EndpointTable::Index index) {
        response_.start(Section::answer, owner, Type::ptr, ttl_);
        switch (role) {
          case Zone::AddressRole::cluster_ip:
            write_service_name({}, *service.facts);
            break;
          case Zone::AddressRole::listed_endpoint:
            write_endpoint_name(*service.facts, *service.endpoints, index);
            break;
          case Zone::AddressRole::endpoint:
            write_service_name(dashed_label(wire_bytes(address)).wire(), *service.facts);
            break;
        }
        response_.end();
      });
}

}  // namespace dns
