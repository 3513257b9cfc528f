// Addresses of API servers and proxies as people write them.
//
// Pure.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"
#include "proxy/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::sources::kubernetes {

enum class Scheme : std::uint8_t { http, https, socks5 };

struct Url {
  Scheme scheme = Scheme::https;
  std::string host;  // a name, or an address without brackets
  Port port;
  std::string path;      // begins with '/' and does not end with one; empty for the root
  std::string userinfo;  // "user:password" as written, percent signs resolved; for proxies

  // The host as an address, if it is one.
  [[nodiscard]] std::optional<IpAddress> ip() const;
  [[nodiscard]] std::string authority() const;  // "10.0.0.1:6443", "[fd00::1]:6443"
  [[nodiscard]] std::string text() const;       // without userinfo: it may be a secret

  friend bool operator==(const Url&, const Url&) = default;
};

// "https://host[:port][/path]"; without a scheme it is http, as in client-go. Fails for any other
// scheme, for userinfo, a query or a fragment.
[[nodiscard]] Result<Url> parse_server(std::string_view text);

// Several of them, joined by commas; at least one.
[[nodiscard]] Result<std::vector<Url>> parse_servers(std::string_view text);

// "http://[user:password@]host[:port]" or "socks5://…", for a proxy in front of the API server. A
// proxy that itself is spoken to by TLS is refused.
[[nodiscard]] Result<Url> parse_proxy(std::string_view text);

// `text` as a value in a query: everything but RFC 3986's unreserved characters is escaped.
[[nodiscard]] std::string query_escaped(std::string_view text);

}  // namespace proxy::sources::kubernetes
