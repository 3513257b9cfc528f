#include "proxy/sources/kubernetes/proxy_choice.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace proxy::sources::kubernetes {
namespace {

std::string variable(const char* upper, const char* lower) {
  for (const auto* name : {upper, lower}) {
    if (const auto* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return "";
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string lower{text};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return lower;
}

bool is_loopback(const IpAddress& ip) {
  static const auto v4 = parse_prefix("127.0.0.0/8").value();
  static const auto v6 = parse_prefix("::1/128").value();
  return v4.contains(ip) || v6.contains(ip);
}

// "host:port" and "[address]:port" without the port, which is then in `port`.
std::string_view without_port(std::string_view text, std::optional<Port>& port) {
  const auto colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (colon != std::string_view::npos && (bracketed || text.find(':') == colon)) {
    std::uint16_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [stopped, failed] = std::from_chars(text.data() + colon + 1, end, value);
    if (failed == std::errc{} && stopped == end) {
      port = Port{value};
      text = text.substr(0, colon);
    }
  }
  if (bracketed && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  return text;
}

Result<std::optional<Url>> proxy_in(const char* name, const std::string& text) {
  if (text.empty()) return std::optional<Url>{};
  auto url = parse_proxy(text);
  if (!url) return within(name, url.error());
  return std::optional{*std::move(url)};
}

}  // namespace

ProxyVariables ProxyVariables::of_this_process() {
  return {.http = variable("HTTP_PROXY", "http_proxy"),
          .https = variable("HTTPS_PROXY", "https_proxy"),
          .none = variable("NO_PROXY", "no_proxy")};
}

ProxyExceptions::ProxyExceptions(std::string_view text) {
  while (true) {
    const auto comma = text.find(',');
    add(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    text = text.substr(comma + 1);
  }
}

void ProxyExceptions::add(std::string_view text) {
  if (text.empty()) return;
  if (text == "*") {
    all_ = true;
    return;
  }
  if (text.find('/') != std::string_view::npos) {
    if (const auto prefix = parse_prefix(text)) exceptions_.push_back({*prefix, std::nullopt});
    return;
  }
  std::optional<Port> port;
  auto host = without_port(text, port);
  if (const auto ip = parse_ip(host)) {
    exceptions_.push_back({*ip, port});
    return;
  }
  if (host.starts_with("*.")) host = host.substr(1);
  const bool itself = !host.starts_with('.');
  const auto name = lower_case(host);
  exceptions_.push_back({Name{.suffix = itself ? "." + name : name, .itself = itself}, port});
}

bool ProxyExceptions::matches(const Exception& exception, const Url& server,
                              const std::optional<IpAddress>& ip) {
  if (exception.port && *exception.port != server.port) return false;
  if (const auto* address = std::get_if<IpAddress>(&exception.host)) return ip == *address;
  if (const auto* prefix = std::get_if<IpPrefix>(&exception.host)) {
    return ip && prefix->contains(*ip);
  }
  const auto& name = std::get<Name>(exception.host);
  const auto host = lower_case(server.host);
  return host.ends_with(name.suffix) || (name.itself && "." + host == name.suffix);
}

bool ProxyExceptions::holds(const Url& server) const {
  const auto ip = server.ip();
  if (all_ || server.host == "localhost" || (ip && is_loopback(*ip))) return true;
  return std::ranges::any_of(exceptions_,
                             [&](const auto& each) { return matches(each, server, ip); });
}

Result<ProxyChoice> ProxyChoice::from(const ProxyVariables& variables) {
  auto http = proxy_in("HTTP_PROXY", variables.http);
  if (!http) return http.error();
  auto https = proxy_in("HTTPS_PROXY", variables.https);
  if (!https) return https.error();
  ProxyChoice choice;
  choice.http = *std::move(http);
  choice.https = *std::move(https);
  choice.exceptions = ProxyExceptions{variables.none};
  return choice;
}

const std::optional<Url>& ProxyChoice::in_front_of(const Url& server) const {
  static const std::optional<Url> direct;
  if (always) return always;
  const auto& chosen = server.scheme == Scheme::https ? https : http;
  return chosen && exceptions.holds(server) ? direct : chosen;
}

}  // namespace proxy::sources::kubernetes
