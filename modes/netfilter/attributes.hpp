// Appends netlink attributes (linux/netlink.h struct nlattr: 16-bit length and type in host order,
// payload padded to 4 bytes) to a growing buffer.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace modes::netfilter {

class AttributeWriter {
 public:
  explicit AttributeWriter(std::vector<std::byte>& out) : out_{out} {}

  void put(std::uint16_t type, std::span<const std::byte> payload) {
    std::memcpy(append(type, payload.size()), payload.data(), payload.size());
  }
  // A struct of the kernel's, byte for byte.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void put_struct(std::uint16_t type, const T& value) {
    put(type, std::as_bytes(std::span{&value, 1}));
  }
  void put_be32(std::uint16_t type, std::uint32_t host_order) {
    const std::uint32_t value = __builtin_bswap32(host_order);
    static_assert(std::endian::native == std::endian::little, "nf_tables wants big-endian");
    put_struct(type, value);
  }
  void put_be64(std::uint16_t type, std::uint64_t host_order) {
    const std::uint64_t value = __builtin_bswap64(host_order);
    put_struct(type, value);
  }
  void put_text(std::uint16_t type, std::string_view text) {  // NUL-terminated on the wire
    auto* to = append(type, text.size() + 1);
    std::memcpy(to, text.data(), text.size());
  }

  // Attributes written until close() are inside this one.
  [[nodiscard]] std::size_t open(std::uint16_t type) {
    const auto at = out_.size();
    write_header(type | kNested, 4);
    return at;
  }
  void close(std::size_t opened_at) {
    const auto length = static_cast<std::uint16_t>(out_.size() - opened_at);
    assert(out_.size() - opened_at <= 0xffff);
    std::memcpy(out_.data() + opened_at, &length, sizeof(length));
  }

 private:
  static constexpr std::uint16_t kNested = 0x8000;  // NLA_F_NESTED

  void write_header(int type, std::size_t length) {
    const std::array<std::uint16_t, 2> header{static_cast<std::uint16_t>(length),
                                              static_cast<std::uint16_t>(type)};
    const auto at = out_.size();
    out_.resize(at + sizeof(header));
    std::memcpy(out_.data() + at, header.data(), sizeof(header));
  }
  std::byte* append(std::uint16_t type, std::size_t size) {
    write_header(type, size + 4);
    const auto at = out_.size();
    out_.resize(at + (size + 3) / 4 * 4);  // new bytes, the padding among them, are zero
    return out_.data() + at;
  }

  std::vector<std::byte>& out_;
};

}  // namespace modes::netfilter
