// IPv4 and IPv6 addresses and prefixes as binary values; strings exist only at the edges.
#pragma once

#include "proxy/result.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace proxy {

enum class Family : std::uint8_t { v4, v6 };

// Both families, in the order in which everything that loops over them goes.
inline constexpr std::array kFamilies{Family::v4, Family::v6};

[[nodiscard]] constexpr std::size_t address_size(Family family) {  // bytes
  return family == Family::v4 ? 4 : 16;
}
[[nodiscard]] constexpr std::uint8_t address_bits(Family family) {
  return family == Family::v4 ? 32 : 128;
}
[[nodiscard]] std::string_view to_string(Family family);  // "IPv4", "IPv6" as Kubernetes spells it

// An address of either family. Bytes in network order; those beyond the family's size are zero, so
// that comparison and hashing need not look at the family first. Ordered by family, then
// numerically.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0

  // Requires bytes.size() == address_size(family).
  static IpAddress from_bytes(Family family, std::span<const std::byte> bytes);
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress any(Family family);
  static IpAddress loopback(Family family);

  [[nodiscard]] constexpr Family family() const { return family_; }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return std::span{bytes_}.first(address_size(family_));
  }
  // IPv4 only.
  [[nodiscard]] std::uint32_t v4_host_order() const;
  [[nodiscard]] bool is_loopback() const;     // 127.0.0.0/8, ::1
  [[nodiscard]] bool is_unspecified() const;  // 0.0.0.0, ::
  [[nodiscard]] bool is_link_local() const;   // 169.254.0.0/16, fe80::/10
  [[nodiscard]] bool is_multicast() const;    // 224.0.0.0/4, ff00::/8

  [[nodiscard]] std::string text() const;  // "10.0.0.1", "fd00::1"

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
  friend constexpr bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::v4;
  std::array<std::byte, 16> bytes_{};
};

// An address and how many of its leading bits count. The bits behind them are always zero.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;  // bits

  // `address` with all bits behind `length` cleared. Requires length <= address_bits(family).
  static IpPrefix of(const IpAddress& address, std::uint8_t length);
  static IpPrefix host(const IpAddress& address);

  [[nodiscard]] Family family() const { return address.family(); }
  [[nodiscard]] bool contains(const IpAddress& other) const;  // false for the other family
  [[nodiscard]] std::string text() const;                     // "10.0.0.0/8"

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

// Text to address as Kubernetes' ParseIPSloppy has it: IPv4 octets may carry leading zeros and are
// decimal; IPv6 as RFC 4291 §2.2, also with an embedded IPv4; an IPv4-mapped IPv6 address
// (::ffff:10.0.0.1) is the IPv4 one. No zone, no blanks.
[[nodiscard]] Result<IpAddress> parse_ip(std::string_view text);

// "address/bits", sloppy in the address as above and in leading zeros of the bits. Host bits are
// cleared, as Go's net.ParseCIDR does.
[[nodiscard]] Result<IpPrefix> parse_prefix(std::string_view text);

}  // namespace proxy

template <>
struct std::hash<proxy::IpAddress> {
  std::size_t operator()(const proxy::IpAddress& address) const noexcept;
};
