#include "modes/userspace/tcp/tcp_socket.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>

namespace modes::userspace::tcp {
namespace {

constexpr int kBacklog = 4096;  // the kernel takes net.core.somaxconn if that is less

// linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h, which clash with netinet/in.h.
constexpr int kOriginalDestination = 80;  // SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST

// A dead peer is found after two minutes of silence and half a minute of questions.
struct Option {
  int level, name, value;
};
constexpr std::array kKeepAlive{
    Option{SOL_SOCKET, SO_KEEPALIVE, 1}, Option{IPPROTO_TCP, TCP_KEEPIDLE, 120},
    Option{IPPROTO_TCP, TCP_KEEPINTVL, 10}, Option{IPPROTO_TCP, TCP_KEEPCNT, 3}};

Result<void> set(int fd, int level, int option, int value, const char* what) {
  if (::setsockopt(fd, level, option, &value, sizeof(value)) == 0) return {};
  return proxy::system_error(errno, what);
}

int domain(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

Result<UniqueFd> open(Family family) {
  UniqueFd fd{::socket(domain(family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return proxy::system_error(errno, "open a socket");
  return fd;
}

// What accepted connections have from their listener.
Result<void> prepare_accepted(int fd) {
  keep_alive(fd);
  return set(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
}

Result<void> prepare_listener(int fd, Family family) {
  if (auto done = set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"); !done) return done;
  if (auto done = set(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"); !done) return done;
  if (auto done = prepare_accepted(fd); !done) return done;
  if (family == Family::v6) return set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
  return {};
}

Result<void> bear(int fd, const IpAddress& source) {
  const bool v4 = source.family() == Family::v4;
  // The source port is chosen at connect(), by the whole tuple: it does not run out at 28,000.
  if (auto late = set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT"); !late)
    return late;
  if (auto free = v4 ? set(fd, IPPROTO_IP, IP_TRANSPARENT, 1, "IP_TRANSPARENT")
                     : set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT");
      !free) {
    return free;
  }
  const SocketAddress address{source, Port{0}};
  if (::bind(fd, address.get(), address.size()) != 0) {
    return proxy::system_error(errno, "bear the client's address");
  }
  return {};
}

}  // namespace

Result<UniqueFd> listen_at(const IpAddress& address, Port port) {
  auto fd = open(address.family());
  if (!fd) return fd;
  if (auto done = prepare_listener(fd->get(), address.family()); !done) return done.error();
  const SocketAddress at{address, port};
  if (::bind(fd->get(), at.get(), at.size()) != 0) return proxy::system_error(errno, "bind");
  if (::listen(fd->get(), kBacklog) != 0) return proxy::system_error(errno, "listen");
  return fd;
}

Result<void> prepare_inherited(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return proxy::system_error(errno, "make an inherited socket non-blocking");
  }
  return prepare_accepted(fd);
}

Result<Peer> local_address(int fd) {
  SocketAddress address;
  if (::getsockname(fd, address.get(), address.size_pointer()) != 0) {
    return proxy::system_error(errno, "getsockname");
  }
  return address.peer();
}

Result<Port> local_port(int fd) {
  const auto address = local_address(fd);
  if (!address) return address.error();
  return address->port;
}

Result<Accepted> accept_from(int listener) {
  SocketAddress client;
  UniqueFd fd{
      ::accept4(listener, client.get(), client.size_pointer(), SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (!fd) return Error{std::error_code{errno, std::generic_category()}, {}};
  return Accepted{std::move(fd), client.peer()};
}

Result<Peer> original_destination(int fd, Family family) {
  SocketAddress address;
  const int level = family == Family::v4 ? IPPROTO_IP : IPPROTO_IPV6;
  if (::getsockopt(fd, level, kOriginalDestination, address.get(), address.size_pointer()) != 0) {
    return proxy::system_error(errno, "SO_ORIGINAL_DST");
  }
  return address.peer();
}

Result<UniqueFd> connect_to(const Peer& endpoint, const Connecting& how) {
  auto fd = open(endpoint.address.family());
  if (!fd) return fd;
  if (auto done = set(fd->get(), IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"); !done)
    return done.error();
  if (how.marked) {
    if (auto done = set(fd->get(), SOL_SOCKET, SO_MARK, static_cast<int>(kOwnMark), "SO_MARK");
        !done)
      return done.error();
  }
  if (how.source) {
    if (auto done = bear(fd->get(), *how.source); !done) return done.error();
  }
  const SocketAddress to{endpoint.address, endpoint.port};
  if (::connect(fd->get(), to.get(), to.size()) != 0 && errno != EINPROGRESS) {
    return proxy::system_error(errno, "connect");
  }
  return fd;
}

void keep_alive(int fd) {
  for (const auto& [level, name, value] : kKeepAlive) (void)set(fd, level, name, value, "");
}

int unacknowledged(int fd) {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

void reset(UniqueFd fd) {
  const linger abortive{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &abortive, sizeof(abortive));
}

}  // namespace modes::userspace::tcp
