// The text of a flag to its value, in Go's notation: drop-in for kube-proxy means that every
// spelling its users have in their manifests goes on working.
//
// Pure. Each function fails only with a reason that completes the sentence "--flag: …".
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"
#include "proxy/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::config {

// An address to listen on.
struct SocketAddress {
  IpAddress address;
  Port port;

  [[nodiscard]] std::string text() const;  // "0.0.0.0:10256", "[::]:10256"
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

// strconv.ParseBool: 1, t, T, TRUE, true, True and their opposites.
[[nodiscard]] Result<bool> parse_bool(std::string_view text);

// time.ParseDuration: "1h0m0s", "1.5s", "-300ms", "0"; units ns, us, µs, ms, s, m, h.
[[nodiscard]] Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

// time.Duration.String: "24h0m0s", "1.5s", "500ms", "0s".
[[nodiscard]] std::string duration_text(std::chrono::nanoseconds duration);

// A signed 32-bit integer, decimal or with the prefix 0x, 0o or 0b.
[[nodiscard]] Result<std::int32_t> parse_int(std::string_view text);

// A finite decimal number.
[[nodiscard]] Result<double> parse_decimal(std::string_view text);

// Comma-separated entries, blanks around them cut off; an empty text is the empty list.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

// Comma-separated prefixes; fails on the first that is none, naming it.
[[nodiscard]] Result<std::vector<IpPrefix>> parse_prefixes(std::string_view text);

// "IP:port", "[IPv6]:port", or an IP alone, which takes `default_port`. Port 0 lets the kernel
// choose one.
[[nodiscard]] Result<SocketAddress> parse_socket_address(std::string_view text, Port default_port);

}  // namespace proxy::config
