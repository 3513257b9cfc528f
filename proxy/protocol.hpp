// Transport protocols and ports, as Services and endpoints name them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace proxy {

// Values are the IP protocol numbers (IANA; netinet/in.h IPPROTO_*).
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

[[nodiscard]] constexpr std::string_view upper_name(Protocol p) {  // as in the Kubernetes API
  return p == Protocol::tcp ? "TCP" : p == Protocol::udp ? "UDP" : "SCTP";
}
[[nodiscard]] constexpr std::string_view lower_name(Protocol p) {  // as in iptables and in names
  return p == Protocol::tcp ? "tcp" : p == Protocol::udp ? "udp" : "sctp";
}
// Exactly the API's spelling ("TCP"); nullopt for anything else.
[[nodiscard]] constexpr std::optional<Protocol> parse_protocol(std::string_view name) {
  for (const auto p : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (name == upper_name(p)) return p;
  }
  return std::nullopt;
}

// A port in host order; network order exists only inside codec files.
struct Port {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(const Port&, const Port&) = default;
};

}  // namespace proxy
