// Reads netlink messages and attributes that the kernel (or a fuzzer) sends, bounds-checked.
//
// Malformed input ends the iteration early; nothing is read outside the span.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace modes::netfilter {

using Bytes = std::span<const std::byte>;

struct Attribute {
  std::uint16_t type = 0;  // without the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER
  Bytes payload;

  [[nodiscard]] std::optional<std::uint32_t> be32() const {
    std::uint32_t value = 0;
    if (payload.size() != sizeof(value)) return std::nullopt;
    std::memcpy(&value, payload.data(), sizeof(value));
    return __builtin_bswap32(value);
  }
  [[nodiscard]] std::optional<std::uint64_t> be64() const {
    std::uint64_t value = 0;
    if (payload.size() != sizeof(value)) return std::nullopt;
    std::memcpy(&value, payload.data(), sizeof(value));
    return __builtin_bswap64(value);
  }
  // Up to the first NUL, or all of it.
  [[nodiscard]] std::string_view text() const {
    const std::string_view all{reinterpret_cast<const char*>(payload.data()), payload.size()};
    return all.substr(0, all.find('\0'));
  }
};

// Calls `visit(Attribute)` for each attribute of `bytes`, in order.
template <class Visit>
void for_each_attribute(Bytes bytes, Visit visit) {
  while (bytes.size() >= 4) {
    std::array<std::uint16_t, 2> header{};  // nlattr: length, type
    std::memcpy(header.data(), bytes.data(), sizeof(header));
    const std::size_t length = header[0];
    if (length < 4 || length > bytes.size()) return;
    visit(Attribute{static_cast<std::uint16_t>(header[1] & 0x3fff), bytes.subspan(4, length - 4)});
    bytes = bytes.subspan(std::min(bytes.size(), (length + 3) / 4 * 4));
  }
}

// One netlink message: its header's fields and what follows the header.
struct Message {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  Bytes body;

  // nfgenmsg (linux/netfilter/nfnetlink.h): family, version, res_id; attributes behind it.
  static constexpr std::size_t kNfGenSize = 4;
  [[nodiscard]] bool has_nfgen() const { return body.size() >= kNfGenSize; }
  [[nodiscard]] std::uint8_t family() const { return std::to_integer<std::uint8_t>(body[0]); }
  [[nodiscard]] Bytes attributes() const { return body.subspan(kNfGenSize); }
};

// Calls `visit(Message)` for each message of a datagram.
template <class Visit>
void for_each_message(Bytes bytes, Visit visit) {
  constexpr std::size_t kHeader = 16;  // nlmsghdr: length, type, flags, sequence, port id
  while (bytes.size() >= kHeader) {
    std::uint32_t length = 0;
    Message message;
    std::memcpy(&length, bytes.data(), 4);
    std::memcpy(&message.type, bytes.data() + 4, 2);
    std::memcpy(&message.flags, bytes.data() + 6, 2);
    std::memcpy(&message.sequence, bytes.data() + 8, 4);
    if (length < kHeader || length > bytes.size()) return;
    message.body = bytes.subspan(kHeader, length - kHeader);
    visit(message);
    bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), (std::size_t{length} + 3) / 4 * 4));
  }
}

}  // namespace modes::netfilter
