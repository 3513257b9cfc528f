// The PROXY protocol, version 2: who the client is, in front of what it sends
// (haproxy.org, "The PROXY protocol", section 2.2).
#pragma once

#include "modes/userspace/socket_address.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace modes::userspace::tcp {

class ProxyProtocolHeader {
 public:
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::span{bytes_}.first(size_); }

 private:
  friend ProxyProtocolHeader proxy_protocol_header(const Peer& client, const Peer& destination);
  static constexpr std::size_t kLargest = 16 + 36;
  std::array<std::byte, kLargest> bytes_{};
  std::size_t size_ = 0;
};

// Of a TCP connection from `client` to `destination`, both of one family.
[[nodiscard]] ProxyProtocolHeader proxy_protocol_header(const Peer& client,
                                                        const Peer& destination);

}  // namespace modes::userspace::tcp
