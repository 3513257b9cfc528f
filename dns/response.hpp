// Builds a reply in a buffer of the caller's: header, question, records, OPT.
//
// A record that does not fit is left out as a whole; in the answer section that sets TC (RFC 2181
// §9), in the additional section it does not. Room for the OPT record is set aside from the start.
#pragma once

#include "dns/cookie.hpp"
#include "dns/cursor.hpp"
#include "dns/query.hpp"

#include <optional>

namespace dns {

class Response {
 public:
  enum class Section : std::uint8_t { answer, authority, additional };

  // A record's owner as the offset of a name that is already in the message.
  using Offset = std::uint16_t;
  static constexpr Offset kQuestion = header::kSize;  // the owner is the name asked for
  static constexpr Offset kNowhere = 0;
  static constexpr std::size_t kMaxOffset = 0x3fff;  // RFC 1035 §4.1.4: 14 bits

  // What goes into the OPT record; options only if asked for.
  struct EdnsReply {
    bool dnssec_ok = false;
    std::optional<CookieOption> cookie;
    std::optional<std::uint16_t> keepalive;  // RFC 7828: units of 100 ms
  };

  // Starts over in `into`, which is at least 512 bytes. The reply, OPT included, will have at most
  // `limit` bytes. Copies id, opcode, RD and CD of the query, and its question if it has one.
  void begin(MutableBytes into, const Query& query, std::size_t limit);
  void set_edns(const EdnsReply& edns);  // before any record

  // A record with the data's bytes as they are. False if it did not fit.
  bool add(Section section, Offset owner, Type type, std::uint32_t ttl, Bytes data);

  // A record whose data the caller writes to data() between these two; end() is false if it did
  // not fit. The owner is a name in the message, or one written in full.
  void start(Section section, Offset owner, Type type, std::uint32_t ttl);
  void start(Section section, Bytes owner, Type type, std::uint32_t ttl);
  [[nodiscard]] Writer& data() { return writer_; }
  bool end();

  // A record as it stood in a message with a question of the same size, at the same or a later
  // offset, with another TTL. False if it did not fit.
  bool copy(Section section, Bytes record, std::size_t ttl_at, std::uint32_t ttl);

  void set_rcode(Rcode rcode) { rcode_ = rcode; }
  void set_flags(std::uint16_t flags) { flags_ |= flags; }
  void clear_flags(std::uint16_t flags) { flags_ = static_cast<std::uint16_t>(flags_ & ~flags); }

  // Removes every record that was added (for an answer that turned out another).
  void clear_records();

  // Writes header and OPT; the size of the reply.
  std::size_t finish();

  [[nodiscard]] Rcode rcode() const { return rcode_; }
  [[nodiscard]] bool truncated() const { return (flags_ & flag::kTruncated) != 0; }
  [[nodiscard]] std::uint16_t count(Section section) const {
    return counts_[static_cast<std::size_t>(section)];
  }
  [[nodiscard]] std::size_t position() const { return writer_.position(); }
  [[nodiscard]] MutableBytes message() { return into_; }  // as far as it is written
  // The most bytes that records may take, counted from the start of the message.
  [[nodiscard]] std::size_t record_limit() const { return limit_ - reserve_; }

 private:
  void head(Type type, std::uint32_t ttl);
  void write_opt();

  Writer writer_;
  MutableBytes into_;
  std::size_t limit_ = 0;
  std::size_t reserve_ = 0;     // for the OPT record
  std::size_t records_at_ = 0;  // behind the question
  std::size_t record_at_ = 0;   // the record being written
  std::size_t data_at_ = 0;     // its data
  Section section_ = Section::answer;
  std::array<std::uint16_t, 3> counts_{};
  std::uint16_t id_ = 0;
  std::uint16_t flags_ = 0;
  Rcode rcode_ = Rcode::no_error;
  bool has_question_ = false;
  std::optional<EdnsReply> edns_;
};

}  // namespace dns
