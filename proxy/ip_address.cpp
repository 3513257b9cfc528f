#include "proxy/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <optional>

namespace proxy {
namespace {

std::uint32_t octet(std::span<const std::byte> bytes, std::size_t i) {
  return std::to_integer<std::uint32_t>(bytes[i]);
}

// Decimal digits only, leading zeros allowed, at most `max`.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::optional<IpAddress> parse_v4_sloppy(std::string_view text) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const auto dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
    const auto part = parse_decimal(text.substr(0, dot), 255);
    if (!part) return std::nullopt;
    value = value << 8 | *part;
    text.remove_prefix(i == 3 ? text.size() : dot + 1);
  }
  return IpAddress::v4(value);
}

// ::ffff:a.b.c.d, RFC 4291 §2.5.5.2
bool is_v4_mapped(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10,
                     [](std::byte b) { return b == std::byte{}; }) &&
         bytes[10] == std::byte{0xff} && bytes[11] == std::byte{0xff};
}

std::optional<IpAddress> parse_v6(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  std::array<std::byte, 16> bytes{};
  if (inet_pton(AF_INET6, terminated.data(), bytes.data()) != 1) return std::nullopt;
  if (is_v4_mapped(bytes)) return IpAddress::from_bytes(Family::v4, std::span{bytes}.subspan(12));
  return IpAddress::from_bytes(Family::v6, bytes);
}

}  // namespace

std::string_view to_string(Family family) {
  return family == Family::v4 ? "IPv4" : "IPv6";
}

IpAddress IpAddress::from_bytes(Family family, std::span<const std::byte> bytes) {
  assert(bytes.size() == address_size(family));
  IpAddress address;
  address.family_ = family;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  for (std::size_t i = 0; i < 4; ++i) {
    address.bytes_[i] = static_cast<std::byte>(host_order >> (24 - 8 * i) & 0xff);
  }
  return address;
}

IpAddress IpAddress::any(Family family) {
  IpAddress address;
  address.family_ = family;
  return address;
}

IpAddress IpAddress::loopback(Family family) {
  if (family == Family::v4) return v4(0x7f000001);
  auto address = any(Family::v6);
  address.bytes_[15] = std::byte{1};
  return address;
}

std::uint32_t IpAddress::v4_host_order() const {
  assert(family_ == Family::v4);
  return octet(bytes_, 0) << 24 | octet(bytes_, 1) << 16 | octet(bytes_, 2) << 8 | octet(bytes_, 3);
}

bool IpAddress::is_loopback() const {
  return family_ == Family::v4 ? octet(bytes_, 0) == 127 : *this == loopback(Family::v6);
}

bool IpAddress::is_unspecified() const {
  return *this == any(family_);
}

bool IpAddress::is_link_local() const {
  if (family_ == Family::v4) return octet(bytes_, 0) == 169 && octet(bytes_, 1) == 254;
  return octet(bytes_, 0) == 0xfe && (octet(bytes_, 1) & 0xc0) == 0x80;
}

bool IpAddress::is_multicast() const {
  return family_ == Family::v4 ? octet(bytes_, 0) >> 4 == 0xe : octet(bytes_, 0) == 0xff;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(family_ == Family::v4 ? AF_INET : AF_INET6, bytes_.data(), buffer.data(),
            buffer.size());
  return buffer.data();
}

IpPrefix IpPrefix::of(const IpAddress& address, std::uint8_t length) {
  assert(length <= address_bits(address.family()));
  std::array<std::byte, 16> bytes{};
  const auto from = address.bytes();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const int kept = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
    bytes[i] = from[i] & static_cast<std::byte>(0xff00 >> kept);
  }
  return {IpAddress::from_bytes(address.family(), std::span{bytes}.first(from.size())), length};
}

IpPrefix IpPrefix::host(const IpAddress& address) {
  return {address, address_bits(address.family())};
}

bool IpPrefix::contains(const IpAddress& other) const {
  return other.family() == family() && of(other, length).address == address;
}

std::string IpPrefix::text() const {
  return address.text() + "/" + std::to_string(length);
}

Result<IpAddress> parse_ip(std::string_view text) {
  const auto address =
      text.find(':') == std::string_view::npos ? parse_v4_sloppy(text) : parse_v6(text);
  if (!address) return invalid("\"" + std::string{text} + "\" is not an IP address");
  return *address;
}

Result<IpPrefix> parse_prefix(std::string_view text) {
  const auto bad = [&] {
    return invalid("\"" + std::string{text} + "\" is not a CIDR (address/bits)");
  };
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return bad();
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) return bad();
  const auto bits = parse_decimal(text.substr(slash + 1), address_bits(address->family()));
  if (!bits) return bad();
  return IpPrefix::of(*address, static_cast<std::uint8_t>(*bits));
}

}  // namespace proxy

std::size_t std::hash<proxy::IpAddress>::operator()(
    const proxy::IpAddress& address) const noexcept {
  // Two multiply-xor rounds over the value; addresses come in dense runs, so low bits must spread.
  std::array<std::uint64_t, 2> words{};
  const auto bytes = address.bytes();
  std::memcpy(words.data(), bytes.data(), bytes.size());
  std::uint64_t h = (words[0] ^ (words[1] * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd;
  h ^= h >> 32;
  return static_cast<std::size_t>(h * 0xc4ceb9fe1a85ec53 ^ h >> 29);
}
