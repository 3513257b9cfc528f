// A netlink socket of libnl's, used in batches: many requests in one datagram, answered only where
// one is refused.
//
// generic netlink and rtnetlink do their work inside sendmsg(2): when it returns, every
// acknowledgement is already waiting, and a dump continues inside each recvmsg(2). Nothing here
// blocks or waits.
#pragma once

#include "proxy/result.hpp"

#include <netlink/msg.h>
#include <netlink/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace modes::ipvs {

using proxy::Error;
using proxy::Result;

struct FreeNlMessage {
  void operator()(nl_msg* message) const noexcept { nlmsg_free(message); }
};
using NlMessage = std::unique_ptr<nl_msg, FreeNlMessage>;

// Appends a finished message of libnl's to a datagram.
void append_message(nl_msg* message, std::vector<std::byte>& to);

// libnl's NLE_* (negative, as its functions return it) as an errno.
[[nodiscard]] Error libnl_error(int code, const std::string& what);

struct RefusedMessage {
  std::size_t index = 0;  // in the datagram
  int error = 0;          // errno
  std::string text;       // the kernel's words, if it has any
};

class LibnlSocket {
 public:
  // `protocol`: NETLINK_GENERIC, NETLINK_ROUTE. In the network namespace of the calling thread.
  [[nodiscard]] static Result<LibnlSocket> open(int protocol);

  [[nodiscard]] nl_sock* get() const { return socket_.get(); }
  [[nodiscard]] int fd() const { return nl_socket_get_fd(socket_.get()); }
  // The next `count` sequence numbers; returns the first.
  [[nodiscard]] std::uint32_t take_sequence(std::size_t count = 1);

  // A datagram of requests whose sequence numbers follow each other from `first`, the last of which
  // asks for an acknowledgement. An Error (ENOBUFS above all) says that it is not known which the
  // kernel has carried out.
  [[nodiscard]] Result<std::vector<RefusedMessage>> transact(std::span<const std::byte> datagram,
                                                             std::uint32_t first,
                                                             std::size_t count);
  // One request for a dump; `each` is called for its messages.
  [[nodiscard]] Result<void> dump(std::span<const std::byte> request,
                                  const std::function<void(nlmsghdr*)>& each);

  // One datagram of what waits; empty when nothing does.
  [[nodiscard]] Result<std::span<std::byte>> receive();

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }
  };
  using Socket = std::unique_ptr<nl_sock, FreeSocket>;
  explicit LibnlSocket(Socket socket);

  [[nodiscard]] Result<void> send(std::span<const std::byte> datagram);
  [[nodiscard]] Result<void> drop_pending();

  Socket socket_;
  std::uint32_t sequence_ = 0;
  std::vector<std::byte> answer_;
};

// Calls `each(nlmsghdr*)` for the messages of a datagram.
template <class Each>
void for_each_nl_message(std::span<std::byte> datagram, Each each) {
  auto* message = reinterpret_cast<nlmsghdr*>(datagram.data());
  auto left = static_cast<int>(datagram.size());
  for (; nlmsg_ok(message, left) != 0; message = nlmsg_next(message, &left)) each(message);
}

}  // namespace modes::ipvs
