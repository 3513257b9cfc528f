#include "proxy/sources/kubernetes/url.hpp"

#include <algorithm>
#include <charconv>

namespace proxy::sources::kubernetes {
namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_host_character(char c) {
  return is_alnum(c) || c == '-' || c == '.' || c == '_';
}
// Nothing that could end a request line or a header early.
bool is_path_character(char c) {
  return c > ' ' && c < 0x7f && c != '?' && c != '#';
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return std::nullopt;
    int byte = 0;
    std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
    plain += static_cast<char>(byte);
    i += 2;
  }
  return plain;
}

std::uint16_t standard_port(Scheme scheme) {
  if (scheme == Scheme::http) return 80;
  return scheme == Scheme::https ? 443 : 1080;
}

Error bad(std::string_view text, std::string_view why) {
  return invalid("\"" + std::string{text} + "\": " + std::string{why});
}

Result<Url> parse(std::string_view text) {
  Url url;
  auto rest = text;
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) {
    url.scheme = Scheme::http;
  } else {
    const auto scheme = text.substr(0, scheme_end);
    rest = text.substr(scheme_end + 3);
    if (scheme == "https") {
      url.scheme = Scheme::https;
    } else if (scheme == "http") {
      url.scheme = Scheme::http;
    } else if (scheme == "socks5" || scheme == "socks5h") {
      url.scheme = Scheme::socks5;
    } else {
      return bad(text, "only https, http and, for proxies, socks5 are spoken");
    }
  }
  const auto slash = rest.find('/');
  auto authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) url.path = rest.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (!std::ranges::all_of(url.path, is_path_character)) {
    return bad(text, "has a query, a fragment or signs that no path has");
  }

  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const auto plain = unescaped(authority.substr(0, at));
    if (!plain) return bad(text, "has a percent sign that escapes nothing");
    url.userinfo = *plain;
    authority = authority.substr(at + 1);
  }

  std::string_view port;
  if (authority.starts_with('[')) {
    const auto bracket = authority.find(']');
    const auto inside = authority.substr(1, bracket == std::string_view::npos ? 0 : bracket - 1);
    const auto ip = parse_ip(inside);
    if (bracket == std::string_view::npos || !ip || ip->family() != Family::v6) {
      return bad(text, "has no IPv6 address in its brackets");
    }
    url.host = inside;
    port = authority.substr(bracket + 1);
  } else {
    const auto colon = authority.find(':');
    url.host = authority.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
    if (url.host.empty()) return bad(text, "has no host");
    if (!std::ranges::all_of(url.host, is_host_character)) {
      return bad(text, "has a host with signs that no name has");
    }
  }
  url.port = Port{standard_port(url.scheme)};
  if (!port.empty() && port != ":") {
    unsigned value = 0;
    const auto digits = port.substr(1);
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole =
        port.front() == ':' && failed == std::errc{} && end == digits.data() + digits.size();
    if (!whole || value == 0 || value > 65535) return bad(text, "has a port that is none");
    url.port = Port{static_cast<std::uint16_t>(value)};
  }
  return url;
}

}  // namespace

std::optional<IpAddress> Url::ip() const {
  const auto address = parse_ip(host);
  return address ? std::optional{*address} : std::nullopt;
}

std::string Url::authority() const {
  const bool bracketed = host.find(':') != std::string::npos;
  return (bracketed ? "[" + host + "]" : host) + ":" + std::to_string(port.value);
}

std::string Url::text() const {
  const auto* name = scheme == Scheme::https  ? "https://"
                     : scheme == Scheme::http ? "http://"
                                              : "socks5://";
  return name + authority() + path;
}

Result<Url> parse_server(std::string_view text) {
  auto url = parse(text);
  if (!url) return url;
  if (url->scheme == Scheme::socks5) return bad(text, "is the address of a proxy");
  if (!url->userinfo.empty()) return bad(text, "has a user in it");
  return url;
}

Result<std::vector<Url>> parse_servers(std::string_view text) {
  std::vector<Url> servers;
  while (true) {
    const auto comma = text.find(',');
    auto server = parse_server(text.substr(0, comma));
    if (!server) return server.error();
    servers.push_back(*std::move(server));
    if (comma == std::string_view::npos) return servers;
    text = text.substr(comma + 1);
  }
}

Result<Url> parse_proxy(std::string_view text) {
  auto url = parse(text);
  if (!url) return url;
  if (url->scheme == Scheme::https) return bad("proxy", "proxies are not spoken to by TLS");
  return url;
}

std::string query_escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return escaped;
}

}  // namespace proxy::sources::kubernetes
