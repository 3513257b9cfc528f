// Domain names: in a message, as text, and lower-cased for look-up.
//
// RFC 1035 §3.1 and §4.1.4 (wire form and compression), RFC 4343 (letter case does not matter, but
// is kept). Label bytes are arbitrary; only ASCII letters have case.
#pragma once

#include "dns/cursor.hpp"
#include "proxy/result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace dns {

using proxy::Result;

// An uncompressed name in wire form, lower-cased, and where its labels begin. Kept in place and
// uninitialised until read, so that a worker's scratch space costs nothing per query.
class LowerName {
 public:
  LowerName() { clear(); }

  void clear() {  // the root
    bytes_[0] = 0;
    size_ = 1;
    labels_ = 0;
  }

  // The uncompressed name at the reader, as a question has it; a compression pointer there could
  // only point into the header and is a failure, like a label type other than 00 and a name above
  // 255 bytes. False when it failed; the reader failed then, too.
  bool read_question(Reader& reader);

  // The name at the reader, which may be compressed (pointers go strictly backwards). False as
  // above.
  bool read_compressed(Reader& reader);

  // From uncompressed wire form without or with the final zero. False if it is no valid name.
  bool assign(Bytes wire);

  // Puts `prefix` labels (no final zero) before `suffix`. False if the result would be too long.
  bool join(Bytes prefix, const LowerName& suffix);

  [[nodiscard]] Bytes wire() const { return Bytes{bytes_}.first(size_); }
  [[nodiscard]] std::size_t size() const { return size_; }  // bytes, the root's zero included
  [[nodiscard]] std::size_t label_count() const { return labels_; }  // the root has none

  // Label `index`, 0 the leftmost, with its length byte. Requires index < label_count().
  [[nodiscard]] Bytes label(std::size_t index) const {
    return Bytes{bytes_}.subspan(starts_[index], std::size_t{bytes_[starts_[index]]} + 1);
  }
  // Where label `index` begins; index == label_count() gives the root's zero.
  [[nodiscard]] std::size_t start(std::size_t index) const {
    return index == labels_ ? size_ - 1u : starts_[index];
  }
  // The labels [first, last) as one run of bytes with their length bytes, without the final zero.
  [[nodiscard]] Bytes labels(std::size_t first, std::size_t last) const {
    return Bytes{bytes_}.subspan(start(first), start(last) - start(first));
  }
  // True for the name itself and every name above which `suffix` stands.
  [[nodiscard]] bool is_below_or_at(const LowerName& suffix) const;

  [[nodiscard]] std::string text() const;  // "www.example.org.", RFC 1035 §5.1 escapes

  friend bool operator==(const LowerName& a, const LowerName& b);

 private:
  bool finish(std::size_t size);  // lower-cases and indexes the `size` bytes in bytes_

  std::array<std::uint8_t, kMaxNameSize + 9> bytes_;  // room for a word-wise lower-casing
  std::array<std::uint8_t, 128> starts_;
  std::uint8_t size_;
  std::uint8_t labels_;
};

// Presentation form ("a.b.example.org", final dot or not, \DDD and \X escapes) to lower-cased wire
// form. Fails on empty labels, labels above 63 and names above 255 bytes.
[[nodiscard]] Result<LowerName> parse_name(std::string_view text);

// One label with its length byte; empty if `text` is empty or longer than 63 bytes. Lower-cased.
[[nodiscard]] std::string label_of(std::string_view text);

// Uncompressed wire form as text with a final dot; letter case kept. `wire` must be valid.
[[nodiscard]] std::string name_text(Bytes wire);

// Moves the reader past a possibly compressed name without following it.
void skip_name(Reader& reader);

}  // namespace dns
