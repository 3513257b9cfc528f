#include "modes/netfilter/nfnetlink_socket.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace modes::netfilter {
namespace {

// Larger than the largest datagram the kernel builds for a dump (32 KiB of skb) or a notification.
constexpr std::size_t kReceiveSize = 256 * 1024;
constexpr int kReceiveBuffer = 8 * 1024 * 1024;

void set_option(int fd, int level, int option, int value) {
  // Best effort: what the socket is really like shows when it is used.
  (void)::setsockopt(fd, level, option, &value, sizeof(value));
}

Result<void> membership(int fd, int option, int group, const char* what) {
  if (::setsockopt(fd, SOL_NETLINK, option, &group, sizeof(group)) != 0) {
    return proxy::system_error(errno, what);
  }
  return {};
}

}  // namespace

NfnetlinkSocket::NfnetlinkSocket(proxy::UniqueFd fd) : fd_{std::move(fd)}, buffer_(kReceiveSize) {}

Result<NfnetlinkSocket> NfnetlinkSocket::open() {
  proxy::UniqueFd fd{
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)};
  if (!fd) return proxy::system_error(errno, "open a netfilter netlink socket");
  // Acknowledgements without a copy of the request, and with the kernel's words about the fault.
  set_option(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, 1);
  set_option(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, 1);
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof(local)) != 0) {
    return proxy::system_error(errno, "bind a netfilter netlink socket");
  }
  return NfnetlinkSocket{std::move(fd)};
}

Result<void> NfnetlinkSocket::send(Bytes datagram) {
  if (datagram.size() > send_buffer_) {
    const auto size = static_cast<int>(datagram.size() + 4096);
    set_option(fd_.get(), SOL_SOCKET, SO_SNDBUF, size);
    set_option(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, size);
    send_buffer_ = datagram.size();
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = 0;
  do {
    sent = ::sendto(fd_.get(), datagram.data(), datagram.size(), 0,
                    reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return proxy::system_error(errno, "send to nfnetlink");
  return {};
}

Result<std::optional<Bytes>> NfnetlinkSocket::receive() {
  ssize_t size = 0;
  do {
    size = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::optional<Bytes>{};
  if (size < 0) return proxy::system_error(errno, "receive from nfnetlink");
  if (static_cast<std::size_t>(size) > buffer_.size()) {
    return proxy::system_error(ENOBUFS, "receive from nfnetlink: a datagram did not fit");
  }
  return std::optional{Bytes{buffer_}.first(static_cast<std::size_t>(size))};
}

Result<void> NfnetlinkSocket::join(int group) {
  return membership(fd_.get(), NETLINK_ADD_MEMBERSHIP, group,
                    "subscribe to nfnetlink notifications");
}

Result<void> NfnetlinkSocket::leave(int group) {
  return membership(fd_.get(), NETLINK_DROP_MEMBERSHIP, group,
                    "unsubscribe from nfnetlink notifications");
}

}  // namespace modes::netfilter
