// Server cookies: a client that shows one back has received an answer of ours at its address.
//
// RFC 7873 and RFC 9018: version 1, a time stamp, and SipHash-2-4 over client cookie, stamp and
// client address. Nothing is remembered per client.
#pragma once

#include "dns/siphash.hpp"
#include "proxy/ip_address.hpp"

#include <array>
#include <cstdint>

namespace dns {

inline constexpr std::size_t kClientCookieSize = 8;

using CookieOption = std::array<std::uint8_t, 24>;  // client cookie (8), server cookie (16)

// The option to answer with. Requires client_cookie.size() >= 8; `now` is Unix time, seconds.
[[nodiscard]] CookieOption make_cookie(const SipKey& key, Bytes client_cookie,
                                       const proxy::IpAddress& client, std::uint32_t now);

// True if `option` holds a server cookie that we gave this client within the last hour (or, clocks
// of other servers considered, up to five minutes ahead): RFC 9018 §4.3.
[[nodiscard]] bool is_valid_cookie(const SipKey& key, Bytes option, const proxy::IpAddress& client,
                                   std::uint32_t now);

}  // namespace dns
