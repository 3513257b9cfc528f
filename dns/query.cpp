#include "dns/query.hpp"

namespace dns {

namespace {

// At most an OPT and a signature (TSIG or SIG(0)) have a place behind a question.
constexpr std::uint16_t kMaxAdditional = 2;

bool is_cookie_size(std::size_t size) {  // RFC 7873 §5.2.2
  return size == 8 || (size >= 16 && size <= 40);
}

bool read_options(Bytes options, Edns& edns) {
  Reader reader{options};
  while (!reader.at_end()) {
    const auto code = reader.u16();
    const auto length = reader.u16();
    const auto data = reader.take(length);
    if (reader.failed()) return false;
    if (code == edns_option::kCookie && edns.cookie.empty()) {
      if (!is_cookie_size(data.size())) return false;
      edns.cookie = data;
    } else if (code == edns_option::kTcpKeepalive) {
      edns.tcp_keepalive = true;
    }
  }
  return true;
}

// The records behind the question; false if they are malformed.
bool read_additional(Reader& reader, std::uint16_t count, std::optional<Edns>& edns) {
  for (std::uint16_t i = 0; i < count; ++i) {
    const bool at_root = !reader.at_end() && reader.all()[reader.position()] == 0;
    skip_name(reader);
    const auto type = static_cast<Type>(reader.u16());
    if (type == Type::opt) {
      if (edns || !at_root) return false;  // RFC 6891 §6.1.1: exactly one, owned by the root
      edns = read_edns(reader);
      if (!edns) return false;
      continue;
    }
    reader.skip(2 + 4);  // class, TTL
    reader.skip(reader.u16());
    if (reader.failed()) return false;
  }
  return true;
}

}  // namespace

std::optional<Edns> read_edns(Reader& reader) {
  Edns edns;
  edns.udp_size = reader.u16();
  edns.extended_rcode = reader.u8();
  edns.version = reader.u8();
  edns.dnssec_ok = (reader.u16() & kDnssecOk) != 0;
  const auto options = reader.take(reader.u16());
  if (reader.failed() || !read_options(options, edns)) return std::nullopt;
  return edns;
}

QueryVerdict parse_query(Bytes message, Query& query) {
  query.question = {};
  query.type = {};
  query.edns.reset();
  if (message.size() < header::kSize) return QueryVerdict::drop;
  Reader reader{message};
  query.id = reader.u16();
  query.flags = reader.u16();
  if ((query.flags & flag::kResponse) != 0) return QueryVerdict::drop;
  if (query.opcode() != kOpcodeQuery) return QueryVerdict::ok;
  const auto questions = reader.u16();
  const auto answers = reader.u16();
  const auto authorities = reader.u16();
  const auto additional = reader.u16();
  query.name.clear();
  if (questions == 0 && answers == 0 && authorities == 0 && additional == 1) {
    const bool good = read_additional(reader, additional, query.edns) && reader.at_end();
    if (good && query.edns && !query.edns->cookie.empty()) return QueryVerdict::cookie;
    query.edns.reset();
  }
  if (questions != 1) return QueryVerdict::format_error;
  if (!query.name.read_question(reader)) return QueryVerdict::format_error;
  query.type = static_cast<Type>(reader.u16());
  query.klass = reader.u16();
  if (reader.failed()) return QueryVerdict::format_error;
  query.question = message.subspan(header::kSize, reader.position() - header::kSize);
  // IXFR carries its SOA in the authority section (RFC 1995 §3); it is refused, not malformed.
  if (answers != 0 || authorities > (query.type == Type::ixfr ? 1 : 0) ||
      additional > kMaxAdditional) {
    return QueryVerdict::format_error;
  }
  std::optional<Edns> edns;
  if (!read_additional(reader, static_cast<std::uint16_t>(authorities + additional), edns) ||
      !reader.at_end()) {
    return QueryVerdict::format_error;
  }
  query.edns = edns;
  return QueryVerdict::ok;
}

}  // namespace dns
