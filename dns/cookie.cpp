#include "dns/cookie.hpp"

#include "dns/address_name.hpp"
#include "dns/cursor.hpp"

#include <algorithm>

namespace dns {

namespace {

constexpr std::size_t kServerSize = 16;
constexpr std::uint8_t kVersion = 1;
constexpr std::int32_t kMaxAge = 3600, kMaxAhead = 300;  // seconds

// Of client cookie, version, reserved bytes, time stamp (what `head` holds) and address.
std::uint64_t tag(const SipKey& key, Bytes head, const proxy::IpAddress& client) {
  std::array<std::uint8_t, 16 + 16> data;
  Writer writer{data};
  writer.bytes(head);
  writer.bytes(wire_bytes(client));
  return siphash24(key, writer.written());
}

}  // namespace

CookieOption make_cookie(const SipKey& key, Bytes client_cookie, const proxy::IpAddress& client,
                         std::uint32_t now) {
  CookieOption option;
  Writer writer{option};
  writer.bytes(client_cookie.first(kClientCookieSize));
  writer.u8(kVersion);
  writer.u8(0);
  writer.u16(0);
  writer.u32(now);
  const auto hash = tag(key, writer.written(), client);
  for (unsigned shift = 0; shift < 64; shift += 8) {
    writer.u8(static_cast<std::uint8_t>(hash >> shift));
  }
  return option;
}

bool is_valid_cookie(const SipKey& key, Bytes option, const proxy::IpAddress& client,
                     std::uint32_t now) {
  if (option.size() != kClientCookieSize + kServerSize) return false;
  Reader reader{option, kClientCookieSize};
  if (reader.u8() != kVersion) return false;
  reader.skip(3);
  const auto age = static_cast<std::int32_t>(now - reader.u32());  // serial arithmetic, RFC 1982
  if (age > kMaxAge || age < -kMaxAhead) return false;
  const auto hash = tag(key, option.first(16), client);
  std::uint8_t differs = 0;  // all bytes are compared, whichever differs first
  for (unsigned i = 0; i < 8; ++i) {
    differs |= static_cast<std::uint8_t>(option[16 + i] ^ static_cast<std::uint8_t>(hash >> 8 * i));
  }
  return differs == 0;
}

}  // namespace dns
