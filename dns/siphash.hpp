// SipHash-2-4, the keyed hash of DNS server cookies (RFC 9018 §4.4; Aumasson and Bernstein 2012).
#pragma once

#include "dns/wire.hpp"

#include <array>

namespace dns {

using SipKey = std::array<std::uint8_t, 16>;

// The 64-bit tag of `data`; its little-endian bytes are what SipHash's paper prints.
[[nodiscard]] std::uint64_t siphash24(const SipKey& key, Bytes data);

}  // namespace dns
