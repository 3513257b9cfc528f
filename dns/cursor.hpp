// Bounds-checked reading and writing of big-endian fields.
//
// Both cursors remember their first failure: code reads or writes straight through and asks once at
// the end. A failed Reader yields zeros and empty spans, a failed Writer writes nothing more.
#pragma once

#include "dns/wire.hpp"

#include <cstring>

namespace dns {

class Reader {
 public:
  explicit Reader(Bytes bytes, std::size_t at = 0) : bytes_{bytes}, at_{at} {
    if (at > bytes.size()) fail();
  }

  std::uint8_t u8() {
    const auto b = take(1);
    return b.empty() ? std::uint8_t{0} : b[0];
  }
  std::uint16_t u16() {
    const auto b = take(2);
    return b.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(b[0] << 8 | b[1]);
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  // Exactly `count` bytes, or none and a failure.
  Bytes take(std::size_t count) {
    if (failed_ || bytes_.size() - at_ < count) {
      fail();
      return {};
    }
    const auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  void skip(std::size_t count) { (void)take(count); }
  void fail() {
    failed_ = true;
    at_ = bytes_.size();
  }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
  [[nodiscard]] Bytes all() const { return bytes_; }

 private:
  Bytes bytes_;
  std::size_t at_;
  bool failed_ = false;
};

class Writer {
 public:
  Writer() = default;
  explicit Writer(MutableBytes into) : into_{into} {}

  void u8(std::uint8_t value) {
    if (auto* to = room(1)) to[0] = value;
  }
  void u16(std::uint16_t value) {
    if (auto* to = room(2)) put(to, value);
  }
  void u32(std::uint32_t value) {
    if (auto* to = room(4)) {
      put(to, static_cast<std::uint16_t>(value >> 16));
      put(to + 2, static_cast<std::uint16_t>(value));
    }
  }
  void bytes(Bytes value) {
    auto* to = room(value.size());
    if (to != nullptr && !value.empty()) std::memcpy(to, value.data(), value.size());
  }
  void bytes(std::string_view value) {
    auto* to = room(value.size());
    if (to != nullptr && !value.empty()) std::memcpy(to, value.data(), value.size());
  }

  void fail() { failed_ = true; }

  // Overwrites a field that was written before; `at` + 2 must not exceed position().
  void patch_u16(std::size_t at, std::uint16_t value) { put(&into_[at], value); }

  // Goes back to an earlier position(), as if nothing had been written or had failed since.
  void rewind(std::size_t position) {
    at_ = position;
    failed_ = false;
  }
  // Gives up, or takes back, room at the end. `limit` must not be below position().
  void set_limit(MutableBytes into) { into_ = into; }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] std::size_t left() const { return into_.size() - at_; }
  [[nodiscard]] MutableBytes written() const { return into_.first(at_); }

 private:
  static void put(std::uint8_t* to, std::uint16_t value) {
    to[0] = static_cast<std::uint8_t>(value >> 8);
    to[1] = static_cast<std::uint8_t>(value);
  }
  std::uint8_t* room(std::size_t count) {
    if (failed_ || into_.size() - at_ < count) {
      failed_ = true;
      return nullptr;
    }
    auto* to = into_.data() + at_;
    at_ += count;
    return to;
  }

  MutableBytes into_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace dns
