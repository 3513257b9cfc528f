// Numbers and layouts of the DNS wire format. All fields are big-endian.
//
// Sources: RFC 1035 §4.1 (header), §3.2 (types, classes), RFC 2782 (SRV), RFC 3596 (AAAA),
// RFC 6891 §6 (EDNS), RFC 7873 (cookies), RFC 7828 (TCP keepalive), RFC 8914 (extended errors).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace dns {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

namespace header {  // RFC 1035 §4.1.1; byte offsets
inline constexpr std::size_t kId = 0, kFlags = 2, kQdCount = 4, kAnCount = 6;
inline constexpr std::size_t kNsCount = 8, kArCount = 10, kSize = 12;
static_assert(kSize == kArCount + sizeof(std::uint16_t));
}  // namespace header

namespace flag {  // of the header's second 16-bit word
inline constexpr std::uint16_t kResponse = 0x8000, kOpcodeMask = 0x7800, kAuthoritative = 0x0400;
inline constexpr std::uint16_t kTruncated = 0x0200, kRecursionDesired = 0x0100;
inline constexpr std::uint16_t kRecursionAvailable = 0x0080, kAuthenticData = 0x0020;
inline constexpr std::uint16_t kCheckingDisabled = 0x0010, kRcodeMask = 0x000f;
}  // namespace flag

// A record type; every number is possible, these are the ones the code knows.
enum class Type : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  hinfo = 13,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  naptr = 35,
  dname = 39,
  ds = 43,
  opt = 41,
  rrsig = 46,
  dnskey = 48,
  svcb = 64,
  https = 65,
  ixfr = 251,
  axfr = 252,
  any = 255,
  caa = 257,
};

enum class Rcode : std::uint16_t {  // above 15 the upper bits travel in the OPT record
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  name_error = 3,  // NXDOMAIN
  not_implemented = 4,
  refused = 5,
  bad_version = 16,
  bad_cookie = 23,
};

inline constexpr std::uint16_t kClassIn = 1;
inline constexpr std::uint16_t kOpcodeQuery = 0;  // already shifted: it is zero

inline constexpr std::size_t kMaxNameSize = 255;   // RFC 1035 §3.1, the root's zero included
inline constexpr std::size_t kMaxLabelSize = 63;   // RFC 1035 §2.3.4
inline constexpr std::size_t kMaxMessage = 65535;  // what the length prefix of TCP can say

// RFC 1035 §4.2.1: what every UDP client takes; RFC 6891 §6.2.3: less than that counts as that.
inline constexpr std::size_t kPlainUdpSize = 512;
// What we send and announce at most over UDP: fits the IPv6 minimum MTU without fragments
// (DNS Flag Day 2020; CoreDNS' bufsize default).
inline constexpr std::size_t kMaxUdpSize = 1232;

namespace edns_option {
inline constexpr std::uint16_t kCookie = 10, kTcpKeepalive = 11, kExtendedError = 15;
}
inline constexpr std::uint16_t kDnssecOk = 0x8000;  // in the lower half of the OPT record's TTL

// "A", "AAAA", …; "other" for what has no name here (a bounded set, fit for metric labels).
[[nodiscard]] std::string_view type_label(Type type);
// "NOERROR", "NXDOMAIN", …; "other" for what has no name here.
[[nodiscard]] std::string_view rcode_label(Rcode rcode);

}  // namespace dns
