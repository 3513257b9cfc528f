// A whole message as text, for people (`viaduct dns query`, logs) and tests; not on any hot path.
#pragma once

#include "dns/query.hpp"
#include "proxy/result.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dns {

struct RecordText {
  std::string owner;  // letter case as in the message
  Type type{};
  std::uint16_t klass = 0;
  std::uint32_t ttl = 0;
  std::string data;  // presentation form; types without one as "\# length hex" (RFC 3597 §5)

  [[nodiscard]] std::string text() const;  // "web.example. 5 IN A 10.0.0.1"
  friend bool operator==(const RecordText&, const RecordText&) = default;
};

struct Message {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  Rcode rcode = Rcode::no_error;  // with the upper bits of the OPT record
  struct Question {
    std::string name;
    Type type{};
    std::uint16_t klass = 0;
  };
  std::vector<Question> questions;
  std::vector<RecordText> answer, authority, additional;  // the OPT record is not among them
  std::optional<Edns> edns;  // its cookie points into the message that was decoded
  std::size_t size = 0;      // bytes

  [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
  [[nodiscard]] std::string text() const;  // as dig prints it, without its statistics
};

// Fails on whatever a strict reader would refuse: names that do not end, data shorter or longer
// than its record says, bytes behind the last record, two OPT records.
[[nodiscard]] Result<Message> decode_message(Bytes message);

// A query for `name`, RD set, with an OPT record of `udp_size` bytes if that is not 0.
[[nodiscard]] std::vector<std::uint8_t> make_query(std::uint16_t id, const LowerName& name,
                                                   Type type, std::uint16_t udp_size);

// "A", "aaaa", "TYPE257"; nullopt for what is none.
[[nodiscard]] std::optional<Type> parse_type(std::string_view text);
[[nodiscard]] std::string type_text(Type type);  // "A", "TYPE65280"

}  // namespace dns
