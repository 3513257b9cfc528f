// UDP sockets for a server, and many datagrams per system call.
#pragma once

#include "dns/wire.hpp"
#include "proxy/config/values.hpp"
#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>

namespace dns::serve {

using proxy::Result;
using proxy::config::SocketAddress;

// A socket address of either family as the kernel has it.
union KernelAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};
[[nodiscard]] socklen_t kernel_address(const SocketAddress& address, KernelAddress& into);
[[nodiscard]] proxy::IpAddress address_of(const KernelAddress& address);  // mapped IPv4 as IPv4
[[nodiscard]] SocketAddress socket_address_of(const KernelAddress& address);

// Whether the address has to be this host's when a socket is bound to it.
enum class Locality : std::uint8_t { now, later };

// Binds with SO_REUSEPORT, so that several workers, and the next process, may share the address.
// On an unspecified address replies must go out from where the query came to: such a socket
// delivers that address with each datagram (IP_PKTINFO, IPV6_RECVPKTINFO). IPv6 sockets take IPv6
// only. Fails with what socket, setsockopt or bind say.
[[nodiscard]] Result<proxy::UniqueFd> bind_udp(const SocketAddress& address,
                                               Locality locality = Locality::now);
// IP_FREEBIND or IPV6_FREEBIND: before bind(), for an address that becomes local later.
[[nodiscard]] bool allow_any_address(int fd, proxy::Family family);
[[nodiscard]] Result<SocketAddress> bound_address(int fd);

// True if another process of ours serves the address, and would share it. Fails with EADDRINUSE if
// it is somebody else's. Does not take a single datagram away from whoever is there.
[[nodiscard]] Result<bool> is_served(const SocketAddress& address);

// Receives nothing more that is sent from now on: the kernel gives it to the other sockets of the
// address, or tells the sender that nobody is there. What has arrived stays, replies may still go
// out. Datagrams on their way inside the kernel may follow for some microseconds.
void leave_group(int fd);

// A datagram's place of origin, kept so that an answer can go out later and from another thread.
struct ReplyPath {
  KernelAddress client{};
  socklen_t client_size = 0;
  // The control message that says from which of our addresses to answer; empty if there is one.
  std::array<std::byte, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  std::size_t control_size = 0;
};
// False if the kernel did not take it.
bool send_reply(int fd, const ReplyPath& path, Bytes reply);

// Room for a batch of queries and their replies.
class UdpBatch {
 public:
  static constexpr std::size_t kSize = 64;
  static constexpr std::size_t kQueryRoom = kMaxUdpSize;  // any honest query fits with ease

  UdpBatch();

  // Up to kSize datagrams; waits for the first if `wait`. The number received; 0 if there was
  // none, or the wait was interrupted. Errors that a datagram of ours caused are swallowed.
  std::size_t receive(int fd, bool wait);

  // Of the last receive(). A datagram that did not fit is empty.
  [[nodiscard]] Bytes query(std::size_t i) const;
  [[nodiscard]] const KernelAddress& client(std::size_t i) const { return clients_[i]; }
  [[nodiscard]] ReplyPath reply_path(std::size_t i) const;

  // Where the reply to datagram `i` is to be written, and that it was.
  [[nodiscard]] MutableBytes reply_room(std::size_t i);
  void reply(std::size_t i, std::size_t size);
  // Sends what reply() was called for. The number that the kernel did not take.
  std::size_t send(int fd);

 private:
  // Replies of one size to one client: the kernel takes them as one long datagram and cuts it at
  // the far end of its way (UDP_SEGMENT, Linux 4.18). Others are groups of one.
  struct Group {
    std::uint16_t first = 0;  // index into replies_ of the one that the others are like
    std::uint16_t count = 0;
    std::uint16_t part = 0;  // where its replies begin in reply_parts_
  };
  struct Reply {
    std::uint16_t query = 0;  // index into received_
    std::uint16_t size = 0;
    std::uint16_t group = 0;
  };
  [[nodiscard]] bool are_alike(const Reply& a, const Reply& b) const;
  void group_replies();
  void address_group(std::size_t g);
  std::size_t send_one_by_one(int fd, const Group& group);

  struct Room {
    std::array<std::uint8_t, kQueryRoom> query;
    std::array<std::uint8_t, kMaxUdpSize> reply;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(in6_pktinfo))> control;
  };
  std::unique_ptr<std::array<Room, kSize>> rooms_;  // uninitialised: touched only as needed
  std::array<KernelAddress, kSize> clients_;
  std::array<mmsghdr, kSize> received_;
  std::array<iovec, kSize> query_parts_;
  std::array<Reply, kSize> replies_;
  std::size_t reply_count_ = 0;
  std::array<Group, kSize> groups_;
  std::size_t group_count_ = 0;
  std::array<mmsghdr, kSize> sent_;  // one for each group
  std::array<iovec, kSize> reply_parts_;
  struct SegmentSize {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> control;
  };
  std::array<SegmentSize, kSize> segment_sizes_;
  std::size_t used_;         // entries of received_ that the kernel has written to
  bool may_segment_ = true;  // until the kernel says that it cannot
};

}  // namespace dns::serve
