// A client's message, taken apart.
//
// Strict where leniency could be abused: one question, no compressed question name, no records
// other than OPT (and a signature, which is ignored), nothing after the last record.
#pragma once

#include "dns/name.hpp"
#include "dns/wire.hpp"

#include <optional>

namespace dns {

// What the OPT record of a message says (RFC 6891 §6.1).
struct Edns {
  std::uint16_t udp_size = 0;
  std::uint8_t extended_rcode = 0;
  std::uint8_t version = 0;
  bool dnssec_ok = false;
  bool tcp_keepalive = false;
  Bytes cookie;  // the COOKIE option's data, empty if there is none
};

struct Query {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;  // as on the wire
  LowerName name;
  Type type{};
  std::uint16_t klass = 0;
  Bytes question;  // name, type and class byte for byte; empty if they could not be read
  std::optional<Edns> edns;

  [[nodiscard]] std::uint16_t opcode() const { return flags & flag::kOpcodeMask; }
};

enum class QueryVerdict : std::uint8_t {
  ok,
  cookie,        // no question, only COOKIE options: what is wanted is ours (RFC 7873 §5.4)
  drop,          // not a query: too short for a header, or itself a reply
  format_error,  // id and flags of the query are valid, and the question if it could be read
};

// Reads `message` into `query`, whose spans point into it. An opcode other than QUERY is ok with
// just the header read: what follows has another meaning there.
[[nodiscard]] QueryVerdict parse_query(Bytes message, Query& query);

// The fixed part and options of an OPT record whose name (root) and type were read already.
// Nullopt if it is malformed; the reader failed then or not.
[[nodiscard]] std::optional<Edns> read_edns(Reader& reader);

}  // namespace dns
