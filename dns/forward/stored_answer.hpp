// An upstream's reply, checked and kept so that it can be given to many clients.
//
// The message stays as it came, less its OPT record: compression pointers go on being right where
// the question has the same size, which is every plain answer. Behind CNAMEs of ours, names are
// written anew.
#pragma once

#include "dns/responder.hpp"

#include <cstdint>
#include <vector>

namespace dns::forward {

struct StoredAnswer {
  struct Record {
    std::uint32_t begin = 0;  // offsets in `message`
    std::uint32_t ttl_at = 0;
    std::uint32_t end = 0;
  };
  std::vector<std::uint8_t> message;  // header, question, records
  std::vector<Record> records;
  std::uint16_t answers = 0;      // the first of `records`
  std::uint16_t authorities = 0;  // the next; all others are additional
  Rcode rcode = Rcode::no_error;
  bool negative = false;  // NXDOMAIN, or no record of the type asked for
  std::uint32_t ttl = 0;  // seconds that it holds (RFC 2308 §5 for denials); 0: not to be kept
};

// Does it say something of the name? Anything else is the server's trouble: others may know better.
[[nodiscard]] inline bool is_good(Rcode rcode) {
  return rcode == Rcode::no_error || rcode == Rcode::name_error;
}

struct UpstreamReply {
  StoredAnswer answer;
  bool truncated = false;
  bool has_edns = false;
};

// Takes a reply apart. Fails if it is malformed in any record, or no reply to this question (id
// aside, which the caller has compared).
[[nodiscard]] Result<UpstreamReply> parse_reply(Bytes message, const LowerName& name, Type type);

// Writes the answer into exchange.response, which respond() has begun, as it is `age` seconds after
// it came. TTLs count down to `least_ttl` at the lowest.
void append(const StoredAnswer& answer, std::uint32_t age, std::uint32_t least_ttl,
            Exchange& exchange);

}  // namespace dns::forward
