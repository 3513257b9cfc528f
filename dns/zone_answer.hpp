// Writes the records that a zone has for a name, and its denials, into a response.
//
// Pure and free of allocations, like everything on the way of a query. Records of a set start at a
// place that the rotation chooses and go round.
#pragma once

#include "dns/response.hpp"
#include "dns/zone.hpp"

#include <span>

namespace dns {

class ZoneAnswer {
 public:
  using Offset = Response::Offset;

  // `name_server_addresses`: of ns.dns.<zone> if the cluster has no DNS service of its own.
  ZoneAnswer(const Zone& zone, Response& response, std::uint32_t rotation,
             std::span<const IpAddress> name_server_addresses);

  // The records of `type` at `match`, owned by the name at `owner`. False if there are none, which
  // makes the answer NODATA. Not for aliases, which are followed (responder.cpp).
  bool write(const Zone::Match& match, Type type, Offset owner);

  // The CNAME record of an alias; where its target was written, or 0 if it did not fit.
  Offset write_alias(Bytes target, Offset owner);

  // The PTR record(s) of an address; false if nothing of ours has it.
  bool write_reverse(const IpAddress& address, Offset owner);

  // The SOA record of a denial (RFC 2308 §3). The zone's name is at the end of the question if
  // `question` says so, else it is written out.
  void write_denial(const LowerName& question);
  // The same for a reverse name, which is a zone of its own, so to speak.
  void write_reverse_denial();

  // RFC 8482 §4.2: the answer to ANY.
  void write_any(Offset owner);

 private:
  bool write_apex(Type type, Offset owner);
  void soa_data(std::optional<Offset> domain_at);
  bool write_name_server(Type type, Response::Section section, Offset owner);
  bool write_service(const Zone::Match& match, Type type, Offset owner);
  bool write_endpoint(const Zone::Match& match, Type type, Offset owner);
  bool write_cluster_ips(const ServiceFacts& service, Type type, Response::Section section,
                         Offset owner);

  // SRV: of all ports, or of the one that the match names.
  bool write_srv(const Zone::Match& match, Offset owner);
  void start_srv(Offset owner, std::uint16_t port);  // the target's name is to follow
  bool write_service_srv(const Zone::Match& match, Offset owner);
  bool write_endpoint_srv(const Zone::Match& match, Offset owner);
  void add_endpoint_addresses(const Zone::Match& match, std::size_t records_at);
  // Calls `visitor(group, endpoint, seen)` in the order of the records, each record once; `seen`:
  // an earlier group had the endpoint too, with another port. Ends when the visitor returns false.
  template <class Visitor>
  void for_each_target(const Zone::Match& match, const Visitor& visitor) const;

  // [endpoint label] service namespace svc domain; fails the response's writer if too long.
  void write_service_name(Bytes endpoint_label, const ServiceFacts& service);
  void write_endpoint_name(const ServiceFacts& service, const EndpointTable& endpoints,
                           EndpointTable::Index index);
  [[nodiscard]] std::size_t first_of(std::size_t count) const {
    return static_cast<std::size_t>(std::uint64_t{rotation_} * count >> 32);
  }

  const Zone& zone_;
  Response& response_;
  std::uint32_t rotation_;
  std::span<const IpAddress> name_server_addresses_;
  std::uint32_t ttl_;
};

}  // namespace dns
