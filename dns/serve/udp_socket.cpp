#include "dns/serve/udp_socket.hpp"

#include "dns/address_name.hpp"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace dns::serve {

namespace {

using proxy::system_error;

// Bursts of a whole node's pods wait here while the worker is not scheduled. Linux doubles it.
constexpr int kReceiveBuffer = 1 << 20;

bool set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// An IPv4 address in IPv6 clothes (a dual-stack socket of a predecessor) is the IPv4 one.
IpAddress from_v6(const in6_addr& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) return address_from(Bytes{&address.s6_addr[12], 4});
  return address_from(Bytes{address.s6_addr});
}

// Turns the control message of a query, which says where it arrived, into that of its reply: from
// our address, by whatever way routing chooses. Only a link-local address needs its link.
void forget_arrival_link(void* control, std::size_t size) {
  msghdr header{};
  header.msg_control = control;
  header.msg_controllen = size;
  cmsghdr* message = CMSG_FIRSTHDR(&header);
  if (message == nullptr) return;
  if (message->cmsg_level == IPPROTO_IP && message->cmsg_type == IP_PKTINFO) {
    const int any_link = 0;
    std::memcpy(CMSG_DATA(message) + offsetof(in_pktinfo, ipi_ifindex), &any_link, sizeof any_link);
  }
  if (message->cmsg_level == IPPROTO_IPV6 && message->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(message), sizeof info);
    if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
    std::memcpy(CMSG_DATA(message), &info, sizeof info);
  }
}

}  // namespace

socklen_t kernel_address(const SocketAddress& address, KernelAddress& into) {
  std::memset(&into, 0, sizeof into);
  const auto bytes = wire_bytes(address.address);
  if (bytes.size() == 4) {
    into.v4.sin_family = AF_INET;
    into.v4.sin_port = htons(address.port.value);
    std::memcpy(&into.v4.sin_addr, bytes.data(), bytes.size());
    return sizeof into.v4;
  }
  into.v6.sin6_family = AF_INET6;
  into.v6.sin6_port = htons(address.port.value);
  std::memcpy(&into.v6.sin6_addr, bytes.data(), bytes.size());
  return sizeof into.v6;
}

IpAddress address_of(const KernelAddress& address) {
  if (address.any.sa_family == AF_INET6) return from_v6(address.v6.sin6_addr);
  std::array<std::uint8_t, 4> bytes;
  std::memcpy(bytes.data(), &address.v4.sin_addr, bytes.size());
  return address_from(bytes);
}

SocketAddress socket_address_of(const KernelAddress& address) {
  const auto port = address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port;
  return {address_of(address), {ntohs(port)}};
}

bool allow_any_address(int fd, proxy::Family family) {
  return family == proxy::Family::v6 ? set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
                                     : set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
}

Result<proxy::UniqueFd> bind_udp(const SocketAddress& address, Locality locality) {
  KernelAddress kernel;
  const auto size = kernel_address(address, kernel);
  const auto failed = [&](const char* what) {
    return system_error(errno, std::string{what} + " udp " + address.text());
  };
  proxy::UniqueFd fd{socket(kernel.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!fd) return failed("open socket for");
  const bool v6 = kernel.any.sa_family == AF_INET6;
  if (!set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) return failed("share");
  if (v6 && !set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) return failed("restrict");
  if (address.address.is_unspecified()) {
    const bool ok = v6 ? set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                       : set_option(fd.get(), IPPROTO_IP, IP_PKTINFO, 1);
    if (!ok) return failed("ask for destinations of");
  }
  if (locality == Locality::later && !allow_any_address(fd.get(), address.address.family())) {
    return failed("prepare");
  }
  // Beyond net.core.rmem_max only with CAP_NET_ADMIN; without, as much as there is to have.
  if (!set_option(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer)) {
    (void)set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  }
  if (bind(fd.get(), &kernel.any, size) != 0) return failed("listen on");
  return fd;
}

Result<SocketAddress> bound_address(int fd) {
  KernelAddress kernel;
  socklen_t size = sizeof kernel;
  if (getsockname(fd, &kernel.any, &size) != 0) return system_error(errno, "name of a socket");
  return socket_address_of(kernel);
}

Result<bool> is_served(const SocketAddress& address) {
  KernelAddress kernel;
  const auto size = kernel_address(address, kernel);
  // Without SO_REUSEPORT, so that it cannot join those who are there.
  const proxy::UniqueFd alone{socket(kernel.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!alone) return system_error(errno, "open socket for udp " + address.text());
  if (kernel.any.sa_family == AF_INET6) (void)set_option(alone.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (bind(alone.get(), &kernel.any, size) == 0 || errno != EADDRINUSE) return false;
  // A TCP socket that does not listen yet takes nothing, so it may try whether sharing works.
  const proxy::UniqueFd shared{socket(kernel.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!shared) return system_error(errno, "open socket for tcp " + address.text());
  if (kernel.any.sa_family == AF_INET6) {
    (void)set_option(shared.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  if (!set_option(shared.get(), SOL_SOCKET, SO_REUSEADDR, 1) ||
      !set_option(shared.get(), SOL_SOCKET, SO_REUSEPORT, 1) ||
      bind(shared.get(), &kernel.any, size) != 0) {
    return system_error(errno, "listen on tcp " + address.text());
  }
  return true;
}

// A connected socket takes no part in the choice among sockets of one address (Linux 5.4 and
// later: udp: correct reuseport selection with connected sockets).
void leave_group(int fd) {
  constexpr std::uint16_t kDiscard = 9;  // RFC 863: nobody asks from there
  auto self = bound_address(fd);
  if (!self) return;
  if (self->address.is_unspecified()) self->address = IpAddress::loopback(self->address.family());
  self->port = {kDiscard};
  KernelAddress kernel;
  const auto size = kernel_address(*self, kernel);
  (void)connect(fd, &kernel.any, size);
}

bool send_reply(int fd, const ReplyPath& path, Bytes reply) {
  auto copy = path;
  iovec part{const_cast<std::uint8_t*>(reply.data()), reply.size()};
  msghdr message{};
  message.msg_name = &copy.client;
  message.msg_namelen = copy.client_size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (copy.control_size > 0) {
    message.msg_control = copy.control.data();
    message.msg_controllen = copy.control_size;
  }
  return sendmsg(fd, &message, MSG_DONTWAIT) >= 0;
}

UdpBatch::UdpBatch() : rooms_{new std::array<Room, kSize>}, used_{kSize} {
  std::memset(received_.data(), 0, sizeof received_);
  std::memset(sent_.data(), 0, sizeof sent_);
  std::memset(segment_sizes_.data(), 0, sizeof segment_sizes_);
  for (std::size_t i = 0; i < kSize; ++i) {
    query_parts_[i] = {(*rooms_)[i].query.data(), kQueryRoom};
    auto& header = received_[i].msg_hdr;
    header.msg_name = &clients_[i];
    header.msg_iov = &query_parts_[i];
    header.msg_iovlen = 1;
    header.msg_control = (*rooms_)[i].control.data();
  }
}

std::size_t UdpBatch::receive(int fd, bool wait) {
  reply_count_ = 0;
  for (std::size_t i = 0; i < used_; ++i) {  // the kernel overwrote these
    received_[i].msg_hdr.msg_namelen = sizeof(KernelAddress);
    received_[i].msg_hdr.msg_controllen = (*rooms_)[i].control.size();
  }
  const int flags = wait ? MSG_WAITFORONE : MSG_DONTWAIT;
  const int count = recvmmsg(fd, received_.data(), kSize, flags, nullptr);
  used_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  for (std::size_t i = 0; i < used_; ++i) {
    const auto& header = received_[i].msg_hdr;
    if (header.msg_controllen > 0) forget_arrival_link(header.msg_control, header.msg_controllen);
  }
  return used_;
}

Bytes UdpBatch::query(std::size_t i) const {
  if ((received_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) return {};
  return Bytes{(*rooms_)[i].query}.first(received_[i].msg_len);
}

ReplyPath UdpBatch::reply_path(std::size_t i) const {
  const auto& header = received_[i].msg_hdr;
  ReplyPath path;
  path.client = clients_[i];
  path.client_size = header.msg_namelen;
  path.control_size = std::min(header.msg_controllen, path.control.size());
  std::memcpy(path.control.data(), header.msg_control, path.control_size);
  return path;
}

MutableBytes UdpBatch::reply_room(std::size_t i) {
  return (*rooms_)[i].reply;
}

void UdpBatch::reply(std::size_t i, std::size_t size) {
  replies_[reply_count_++] = {static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(size), 0};
}

bool UdpBatch::are_alike(const Reply& a, const Reply& b) const {
  const auto& from = received_[a.query].msg_hdr;
  return a.size == b.size && from.msg_controllen == 0 &&
         std::memcmp(&clients_[a.query], &clients_[b.query], from.msg_namelen) == 0;
}

void UdpBatch::group_replies() {
  // Where to look for a group that a reply may join; a collision costs a chance, no more.
  constexpr std::size_t kSlots = 128;
  constexpr std::uint8_t kNone = 0xff;
  static_assert(kSize <= kNone);
  constexpr std::size_t kMaxBytes = 60'000;  // of one group: what a datagram can hold
  std::array<std::uint8_t, kSlots> slots;
  slots.fill(kNone);
  group_count_ = 0;
  for (std::size_t r = 0; r < reply_count_; ++r) {
    auto& reply = replies_[r];
    const std::size_t port = clients_[reply.query].v4.sin_port;  // at one place in both families
    auto& slot = slots[(port * 31 + port / 256 + reply.size) % kSlots];
    if (may_segment_ && slot != kNone) {
      auto& group = groups_[slot];
      if ((group.count + 1u) * reply.size <= kMaxBytes && are_alike(replies_[group.first], reply)) {
        reply.group = slot;
        ++group.count;
        continue;
      }
    }
    slot = static_cast<std::uint8_t>(group_count_);
    reply.group = slot;
    groups_[group_count_++] = {.first = static_cast<std::uint16_t>(r), .count = 1, .part = 0};
  }
  std::uint16_t part = 0;
  for (std::size_t g = 0; g < group_count_; ++g) {
    groups_[g].part = part;
    part = static_cast<std::uint16_t>(part + groups_[g].count);
    groups_[g].count = 0;
  }
  for (const auto& reply : std::span{replies_}.first(reply_count_)) {
    auto& group = groups_[reply.group];
    reply_parts_[group.part + group.count++] = {(*rooms_)[reply.query].reply.data(), reply.size};
  }
}

void UdpBatch::address_group(std::size_t g) {
  const auto& group = groups_[g];
  const auto& first = replies_[group.first];
  const auto& from = received_[first.query].msg_hdr;
  auto& header = sent_[g].msg_hdr;
  header.msg_name = from.msg_name;
  header.msg_namelen = from.msg_namelen;
  header.msg_iov = &reply_parts_[group.part];
  header.msg_iovlen = group.count;
  // What came with the query, our own address, is what goes out with the reply.
  header.msg_control = from.msg_controllen > 0 ? from.msg_control : nullptr;
  header.msg_controllen = from.msg_controllen;
  if (group.count == 1) return;
  auto& control = segment_sizes_[g].control;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  auto* message = CMSG_FIRSTHDR(&header);
  message->cmsg_level = SOL_UDP;
  message->cmsg_type = UDP_SEGMENT;
  message->cmsg_len = CMSG_LEN(sizeof first.size);
  std::memcpy(CMSG_DATA(message), &first.size, sizeof first.size);
}

std::size_t UdpBatch::send_one_by_one(int fd, const Group& group) {
  const auto path = reply_path(replies_[group.first].query);
  std::size_t failed = 0;
  for (const auto& part : std::span{reply_parts_}.subspan(group.part, group.count)) {
    const Bytes reply{static_cast<const std::uint8_t*>(part.iov_base), part.iov_len};
    failed += send_reply(fd, path, reply) ? 0 : 1;
  }
  return failed;
}

std::size_t UdpBatch::send(int fd) {
  group_replies();
  for (std::size_t g = 0; g < group_count_; ++g) address_group(g);
  std::size_t failed = 0;
  std::size_t at = 0;
  while (at < group_count_) {
    const int sent = sendmmsg(fd, &sent_[at], static_cast<unsigned>(group_count_ - at), 0);
    if (sent > 0) {
      at += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    // The first of the rest cannot be sent (no route, a firewall); the others may well be.
    const auto& group = groups_[at++];
    if (group.count == 1) {
      ++failed;
      continue;
    }
    if (errno == EIO || errno == EINVAL) may_segment_ = false;  // not on this link, or kernel
    failed += send_one_by_one(fd, group);
  }
  reply_count_ = 0;
  return failed;
}

}  // namespace dns::serve
