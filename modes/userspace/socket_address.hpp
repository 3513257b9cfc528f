// Addresses as the socket calls have them (struct sockaddr_in and sockaddr_in6).
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace modes::userspace {

struct Peer {
  proxy::IpAddress address;
  proxy::Port port;
  friend auto operator<=>(const Peer&, const Peer&) = default;
  friend bool operator==(const Peer&, const Peer&) = default;
};

class SocketAddress {
 public:
  SocketAddress() = default;  // room for a call to write to
  SocketAddress(const proxy::IpAddress& address, proxy::Port port) {
    if (address.family() == proxy::Family::v4) {
      storage_.v4.sin_family = AF_INET;
      storage_.v4.sin_port = htons(port.value);
      std::memcpy(&storage_.v4.sin_addr, address.bytes().data(), sizeof(in_addr));
      size_ = sizeof(sockaddr_in);
    } else {
      storage_.v6.sin6_family = AF_INET6;
      storage_.v6.sin6_port = htons(port.value);
      std::memcpy(&storage_.v6.sin6_addr, address.bytes().data(), sizeof(in6_addr));
      size_ = sizeof(sockaddr_in6);
    }
  }

  [[nodiscard]] sockaddr* get() { return &storage_.any; }
  [[nodiscard]] const sockaddr* get() const { return &storage_.any; }
  [[nodiscard]] socklen_t* size_pointer() { return &size_; }
  [[nodiscard]] socklen_t size() const { return size_; }

  // An IPv4 address for anything that is not IPv6.
  [[nodiscard]] Peer peer() const {
    if (storage_.any.sa_family == AF_INET6) {
      return {proxy::IpAddress::from_bytes(proxy::Family::v6,
                                           std::as_bytes(std::span{&storage_.v6.sin6_addr, 1})),
              proxy::Port{ntohs(storage_.v6.sin6_port)}};
    }
    return {proxy::IpAddress::from_bytes(proxy::Family::v4,
                                         std::as_bytes(std::span{&storage_.v4.sin_addr, 1})),
            proxy::Port{ntohs(storage_.v4.sin_port)}};
  }

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_{};
  socklen_t size_ = sizeof(storage_);
};

}  // namespace modes::userspace
