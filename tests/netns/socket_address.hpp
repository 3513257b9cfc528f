// An address and a port: where a probe goes, where an endpoint listens, whom somebody saw.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"

#include <sys/socket.h>

#include <compare>
#include <string>
#include <string_view>

namespace netns {

using proxy::Family;
using proxy::IpAddress;
using proxy::Port;
using proxy::Protocol;

struct SocketAddress {
  IpAddress ip;
  Port port;

  [[nodiscard]] std::string text() const;  // "10.0.0.1:80", "[fd00::1]:80"

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

// Inverse of text(). Throws std::invalid_argument.
[[nodiscard]] SocketAddress parse_socket_address(std::string_view text);

// An address as the scenarios write it. Throws std::invalid_argument.
[[nodiscard]] IpAddress address(std::string_view text);

// For bind(2), connect(2), sendto(2): the kernel's form and its length.
struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
[[nodiscard]] KernelAddress to_kernel(const SocketAddress& address);
[[nodiscard]] SocketAddress from_kernel(const sockaddr_storage& storage);

[[nodiscard]] inline int address_family(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

}  // namespace netns
