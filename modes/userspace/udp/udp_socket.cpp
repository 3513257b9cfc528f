#include "modes/userspace/udp/udp_socket.hpp"

#include <fcntl.h>

#include <cerrno>

namespace modes::userspace::udp {
namespace {

constexpr int kReceiveBuffer = 4 * 1024 * 1024;  // of a listener: bursts of many clients

int domain(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

Result<void> set(int fd, int level, int option, int value, const char* what) {
  if (::setsockopt(fd, level, option, &value, sizeof(value)) == 0) return {};
  return proxy::system_error(errno, what);
}

Result<UniqueFd> open(Family family, int type, int protocol) {
  UniqueFd fd{::socket(domain(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)};
  if (!fd) return proxy::system_error(errno, "open a socket");
  return fd;
}

Result<void> bind_to(int fd, const IpAddress& address, Port port) {
  const SocketAddress at{address, port};
  if (::bind(fd, at.get(), at.size()) == 0) return {};
  return proxy::system_error(errno, "bind");
}

Result<void> make_transparent(int fd, Family family) {
  return family == Family::v4 ? set(fd, IPPROTO_IP, IP_TRANSPARENT, 1, "IP_TRANSPARENT")
                              : set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT");
}

Result<void> mark(int fd) {
  return set(fd, SOL_SOCKET, SO_MARK, static_cast<int>(kOwnMark), "SO_MARK");
}

Result<void> prepare_listener(int fd, Family family) {
  if (auto done = set(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"); !done) return done;
  // Best effort: net.core.rmem_max may be less.
  (void)set(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer, "");
  (void)set(fd, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer, "");
  if (family == Family::v6) return set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
  return {};
}

// Where each datagram was sent to.
Result<void> ask_for_destination(int fd, Family family) {
  return family == Family::v4 ? set(fd, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO")
                              : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
}

// A raw socket gets a copy of every datagram that is for its address: this one's is one that nobody
// sends to (RFC 1122 §3.2.1.3 loopback, RFC 6666 discard prefix).
IpAddress address_without_mail(Family family) {
  if (family == Family::v4) return IpAddress::v4(0x7ffffffe);
  std::array<std::byte, 16> discard{};
  discard[0] = std::byte{1};
  discard[15] = std::byte{1};
  return IpAddress::from_bytes(family, discard);
}

}  // namespace

Result<UniqueFd> listen_steered(Family family, Port port) {
  auto fd = open(family, SOCK_DGRAM, 0);
  if (!fd) return fd;
  if (auto done = prepare_listener(fd->get(), family); !done) return done.error();
  if (auto done = make_transparent(fd->get(), family); !done) return done.error();
  const auto done =
      family == Family::v4
          ? set(fd->get(), IPPROTO_IP, IP_RECVORIGDSTADDR, 1, "IP_RECVORIGDSTADDR")
          : set(fd->get(), IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1, "IPV6_RECVORIGDSTADDR");
  if (!done) return done.error();
  if (auto bound = bind_to(fd->get(), IpAddress::any(family), port); !bound) return bound.error();
  return fd;
}

Result<UniqueFd> listen_at(const IpAddress& address, Port port) {
  auto fd = open(address.family(), SOCK_DGRAM, 0);
  if (!fd) return fd;
  if (auto done = prepare_listener(fd->get(), address.family()); !done) return done.error();
  if (auto done = ask_for_destination(fd->get(), address.family()); !done) return done.error();
  if (auto bound = bind_to(fd->get(), address, port); !bound) return bound.error();
  return fd;
}

Result<void> prepare_inherited(int fd, Family family) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return proxy::system_error(errno, "make an inherited socket non-blocking");
  }
  return ask_for_destination(fd, family);
}

Result<UniqueFd> connect_to(const Peer& endpoint, const Connecting& how) {
  const auto family = endpoint.address.family();
  auto fd = open(family, SOCK_DGRAM, 0);
  if (!fd) return fd;
  if (how.marked) {
    if (auto done = mark(fd->get()); !done) return done.error();
  }
  if (how.source) {
    if (auto done = make_transparent(fd->get(), family); !done) return done.error();
    if (auto done = bind_to(fd->get(), *how.source, Port{0}); !done) return done.error();
  }
  if (const int error = connect_again(fd->get(), endpoint); error != 0) {
    return proxy::system_error(error, "connect");
  }
  return fd;
}

int connect_again(int fd, const Peer& endpoint) {
  const SocketAddress to{endpoint.address, endpoint.port};
  return ::connect(fd, to.get(), to.size()) == 0 ? 0 : errno;
}

Result<UniqueFd> open_sender(Family family) {
  auto fd = open(family, SOCK_RAW, IPPROTO_UDP);
  if (!fd) return fd;
  if (auto done = make_transparent(fd->get(), family); !done) return done.error();
  if (auto done = mark(fd->get()); !done) return done.error();
  if (family == Family::v6) {
    constexpr int kChecksumOffset = 6;  // RFC 768; the kernel fills it in (RFC 3542 §3.1)
    if (auto done = set(fd->get(), IPPROTO_IPV6, IPV6_CHECKSUM, kChecksumOffset, "IPV6_CHECKSUM");
        !done) {
      return done.error();
    }
  }
  if (auto bound = bind_to(fd->get(), address_without_mail(family), Port{0}); !bound)
    return bound.error();
  return fd;
}

}  // namespace modes::userspace::udp
