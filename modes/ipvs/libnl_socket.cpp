#include "modes/ipvs/libnl_socket.hpp"

#include <netlink/netlink.h>

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace modes::ipvs {
namespace {

constexpr int kSendBuffer = 1024 * 1024;
// Refusals of a whole datagram fit.
constexpr int kReceiveBuffer = 4 * 1024 * 1024;
constexpr std::size_t kLargestAnswer = 64 * 1024;

// NLMSG_ERROR: a negated errno, the request's header, and with NETLINK_EXT_ACK the kernel's words.
RefusedMessage parse_acknowledgement(nlmsghdr* message) {
  RefusedMessage out;
  if (nlmsg_datalen(message) < static_cast<int>(sizeof(nlmsgerr))) return {0, EPROTO, ""};
  out.error = -static_cast<const nlmsgerr*>(nlmsg_data(message))->error;
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return out;
  // With NETLINK_CAP_ACK nothing of the request but its header stands before the attributes.
  auto* text = nlmsg_find_attr(message, static_cast<int>(sizeof(nlmsgerr)), NLMSGERR_ATTR_MSG);
  if (text != nullptr) {
    const auto* words = static_cast<const char*>(nla_data(text));
    out.text = std::string{words, ::strnlen(words, static_cast<std::size_t>(nla_len(text)))};
  }
  return out;
}

}  // namespace

void append_message(nl_msg* message, std::vector<std::byte>& to) {
  const auto* header = nlmsg_hdr(message);
  const auto bytes = std::as_bytes(std::span{reinterpret_cast<const char*>(header),
                                             static_cast<std::size_t>(header->nlmsg_len)});
  to.insert(to.end(), bytes.begin(), bytes.end());
  to.resize((to.size() + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO);
}

Error libnl_error(int code, const std::string& what) {
  switch (-code) {
    case NLE_OBJ_NOTFOUND:
      return proxy::system_error(ENOENT, what);
    case NLE_NOMEM:
      return proxy::system_error(ENOMEM, what);
    case NLE_PERM:
    case NLE_NOACCESS:
      return proxy::system_error(EPERM, what);
    default:
      return proxy::system_error(EPROTO, what + ": " + nl_geterror(code));
  }
}

LibnlSocket::LibnlSocket(Socket socket) : socket_{std::move(socket)}, answer_(kLargestAnswer) {}

Result<LibnlSocket> LibnlSocket::open(int protocol) {
  Socket socket{nl_socket_alloc()};
  if (!socket) return proxy::system_error(ENOMEM, "open a netlink socket");
  if (const int error = nl_connect(socket.get(), protocol); error < 0) {
    return libnl_error(error, "open a netlink socket");
  }
  const auto set = [&](int level, int option, int value) {
    // Best effort: what the socket is really like shows when it is used.
    (void)::setsockopt(nl_socket_get_fd(socket.get()), level, option, &value, sizeof(value));
  };
  set(SOL_NETLINK, NETLINK_CAP_ACK, 1);
  set(SOL_NETLINK, NETLINK_EXT_ACK, 1);
  for (const auto option : {SO_SNDBUF, SO_SNDBUFFORCE}) set(SOL_SOCKET, option, kSendBuffer);
  for (const auto option : {SO_RCVBUF, SO_RCVBUFFORCE}) set(SOL_SOCKET, option, kReceiveBuffer);
  return LibnlSocket{std::move(socket)};
}

std::uint32_t LibnlSocket::take_sequence(std::size_t count) {
  const auto first = sequence_ + 1;
  sequence_ += static_cast<std::uint32_t>(count);
  return first;
}

Result<void> LibnlSocket::send(std::span<const std::byte> datagram) {
  const int sent =
      nl_sendto(socket_.get(), const_cast<std::byte*>(datagram.data()), datagram.size());
  if (sent < 0) return libnl_error(sent, "send to the kernel");
  return {};
}

Result<std::span<std::byte>> LibnlSocket::receive() {
  ssize_t size = 0;
  do {
    size = ::recv(fd(), answer_.data(), answer_.size(), MSG_DONTWAIT | MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::span<std::byte>{};
  if (size < 0) return proxy::system_error(errno, "receive from the kernel");
  if (static_cast<std::size_t>(size) > answer_.size()) {
    return proxy::system_error(EMSGSIZE, "receive from the kernel");
  }
  return std::span{answer_}.first(static_cast<std::size_t>(size));
}

// What an exchange that ended early left behind.
Result<void> LibnlSocket::drop_pending() {
  for (;;) {
    const auto datagram = receive();
    if (!datagram && datagram.error().code != std::errc::no_buffer_space) return datagram.error();
    if (datagram && datagram->empty()) return {};
  }
}

Result<std::vector<RefusedMessage>> LibnlSocket::transact(std::span<const std::byte> datagram,
                                                          std::uint32_t first, std::size_t count) {
  if (auto clean = drop_pending(); !clean) return clean.error();
  if (auto sent = send(datagram); !sent) return sent.error();
  std::vector<RefusedMessage> refused;
  // The last request is answered in any case, and behind all others.
  for (bool complete = false; !complete;) {
    const auto answer = receive();
    if (!answer) return within("what became of the changes is not known", answer.error());
    if (answer->empty()) return proxy::system_error(EPROTO, "the kernel does not answer");
    for_each_nl_message(*answer, [&](nlmsghdr* message) {
      const std::size_t index = message->nlmsg_seq - first;
      if (message->nlmsg_type != NLMSG_ERROR || index >= count) return;
      complete = complete || index + 1 == count;
      auto ack = parse_acknowledgement(message);
      ack.index = index;
      if (ack.error != 0) refused.push_back(std::move(ack));
    });
  }
  return refused;
}

Result<void> LibnlSocket::dump(std::span<const std::byte> request,
                               const std::function<void(nlmsghdr*)>& each) {
  if (auto clean = drop_pending(); !clean) return clean;
  if (auto sent = send(request); !sent) return sent;
  int error = 0;
  for (bool done = false; !done;) {
    const auto answer = receive();
    if (!answer) return answer.error();
    // The kernel answers inside of sendmsg and recvmsg; silence is a fault.
    if (answer->empty()) return proxy::system_error(EPROTO, "the kernel does not answer");
    for_each_nl_message(*answer, [&](nlmsghdr* message) {
      if (message->nlmsg_type == NLMSG_DONE) {
        done = true;
      } else if (message->nlmsg_type == NLMSG_ERROR) {
        done = true;
        error = parse_acknowledgement(message).error;
      } else {
        each(message);
      }
    });
  }
  if (error != 0) return proxy::system_error(error, "read from the kernel");
  return {};
}

}  // namespace modes::ipvs
