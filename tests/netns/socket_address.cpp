#include "tests/netns/socket_address.hpp"

#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <span>
#include <stdexcept>

namespace netns {

std::string SocketAddress::text() const {
  const auto host = ip.family() == Family::v6 ? "[" + ip.text() + "]" : ip.text();
  return host + ":" + std::to_string(port.value);
}

IpAddress address(std::string_view text) {
  const auto parsed = proxy::parse_ip(text);
  if (!parsed) throw std::invalid_argument{parsed.error().text()};
  return *parsed;
}

SocketAddress parse_socket_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) throw std::invalid_argument{std::string{text}};
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  SocketAddress result{.ip = address(host), .port = {}};
  const auto digits = text.substr(colon + 1);
  const auto end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, result.port.value);
  if (error != std::errc{} || rest != end) throw std::invalid_argument{std::string{text}};
  return result;
}

KernelAddress to_kernel(const SocketAddress& address) {
  KernelAddress result;
  const auto bytes = address.ip.bytes();
  if (address.ip.family() == Family::v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port.value);
    std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&result.storage, &in, sizeof in);
    result.length = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port.value);
    std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&result.storage, &in, sizeof in);
    result.length = sizeof in;
  }
  return result;
}

SocketAddress from_kernel(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    return {.ip = IpAddress::from_bytes(Family::v4, std::as_bytes(std::span{&in.sin_addr, 1})),
            .port = Port{ntohs(in.sin_port)}};
  }
  sockaddr_in6 in{};
  std::memcpy(&in, &storage, sizeof in);
  return {.ip = IpAddress::from_bytes(Family::v6, std::as_bytes(std::span{&in.sin6_addr, 1})),
          .port = Port{ntohs(in.sin6_port)}};
}

}  // namespace netns
