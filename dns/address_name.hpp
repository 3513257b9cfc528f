// Addresses inside names: reverse names and the dashed form of pods and endpoints.
//
// RFC 1035 §3.5 (in-addr.arpa), RFC 3596 §2.5 (ip6.arpa); the dashed form "10-0-0-7", "fd00--7" is
// what the Kubernetes DNS schema 1.1.0 calls an endpoint's or pod's identifier derived from its
// address. Nothing here allocates.
#pragma once

#include "dns/name.hpp"
#include "proxy/ip_address.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace dns {

using proxy::Family;
using proxy::IpAddress;

// Of a whole reverse name (4 or 32 labels below in-addr.arpa or ip6.arpa); nullopt for any other
// name, also for "in-addr.arpa" itself and for parts of an address.
[[nodiscard]] std::optional<IpAddress> parse_reverse_name(const LowerName& name);

// True for in-addr.arpa, ip6.arpa and everything below them.
[[nodiscard]] bool is_reverse_name(const LowerName& name);

// "10-0-0-7" strictly decimal and without leading zeros, or an IPv6 address with dashes for colons
// in lower case. `label` is without its length byte.
[[nodiscard]] std::optional<IpAddress> parse_dashed(std::string_view label);

// A dashed address as a label, with its length byte.
struct DashedLabel {
  std::array<std::uint8_t, 40> bytes;  // 39 are the most: eight groups of four, seven dashes
  [[nodiscard]] Bytes wire() const { return Bytes{bytes}.first(std::size_t{bytes[0]} + 1); }
};
// `address` in network order, 4 or 16 bytes. IPv6 is shortened as RFC 5952 §4 says, with a zero
// before or behind dashes at an end: "fd00--0" is a host name (RFC 1123 §2.1), "fd00--" is none.
[[nodiscard]] DashedLabel dashed_label(Bytes address);

// The address's bytes, as the wire has them.
[[nodiscard]] inline Bytes wire_bytes(const IpAddress& address) {
  const auto bytes = address.bytes();
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline IpAddress address_from(Bytes wire) {
  return IpAddress::from_bytes(wire.size() == 4 ? Family::v4 : Family::v6, std::as_bytes(wire));
}

}  // namespace dns
