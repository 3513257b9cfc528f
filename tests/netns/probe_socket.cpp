#include "tests/netns/probe_socket.hpp"

#include "tests/netns/sctp.hpp"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace netns {
namespace {

using proxy::UniqueFd;

void set(const UniqueFd& fd, int level, int option, int value) {
  if (::setsockopt(fd.get(), level, option, &value, sizeof value) != 0)
    fail_with_errno("setsockopt");
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class TcpProbe : public ProbeSocket {
 public:
  TcpProbe(const SocketAddress& from, const SocketAddress& to, bool connecting_is_enough)
      : ProbeSocket{SOCK_STREAM, Protocol::tcp, from, to},
        connecting_is_enough_{connecting_is_enough} {}

  ~TcpProbe() override {
    // Closes with a reset, so that thousands of probes leave no TIME_WAIT behind.
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

  void start() override {
    const auto to = to_kernel(to_);
    if (::connect(fd(), to.get(), to.length) != 0 && errno != EINPROGRESS) finish_with_error(errno);
  }

  [[nodiscard]] short events() const override { return connected_ ? POLLIN : POLLOUT; }

 private:
  void read() override {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return finish_with_error(error);
    if (!connected_) {
      sockaddr_storage peer{};
      socklen_t peer_length = sizeof peer;
      // An ICMP error that left the connect going on wakes poll as well.
      if (::getpeername(fd(), reinterpret_cast<sockaddr*>(&peer), &peer_length) != 0) return;
      connected_ = true;
      if (connecting_is_enough_) finish({.kind = Outcome::Kind::connected});
    }
    read_report();
  }

  void read_report() {
    std::array<std::byte, 512> buffer;
    while (true) {
      const auto size = ::recv(fd(), buffer.data(), buffer.size(), 0);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (size < 0) return finish_with_error(errno);
      if (size == 0) return finish({.kind = Outcome::Kind::connected});
      text_ += as_text(std::span{buffer}.first(static_cast<std::size_t>(size)));
      if (auto report = decode_report(text_)) {
        return finish({.kind = Outcome::Kind::answered, .report = *std::move(report)});
      }
    }
  }

  bool connecting_is_enough_;
  bool connected_ = false;
  std::string text_;
};

class UdpProbe : public ProbeSocket {
 public:
  UdpProbe(const SocketAddress& from, const SocketAddress& to)
      : ProbeSocket{SOCK_DGRAM, Protocol::udp, from, to} {}

  void start() override {
    const auto to = to_kernel(to_);
    if (::connect(fd(), to.get(), to.length) != 0) return finish_with_error(errno);
    constexpr std::string_view kQuestion = "who are you?";
    // EPERM: a filter of the sender's own node dropped the datagram, and nothing more will come.
    if (::send(fd(), kQuestion.data(), kQuestion.size(), 0) < 0 && errno != EPERM &&
        errno != ECONNREFUSED) {
      finish_with_error(errno);
    }
  }

  [[nodiscard]] short events() const override { return POLLIN; }

 private:
  void read() override {
    std::array<std::byte, 512> buffer;
    const auto size = ::recv(fd(), buffer.data(), buffer.size(), 0);
    if (size < 0) return;  // an error of the kind that read_icmp_errors() explains
    if (auto report =
            decode_report(as_text(std::span{buffer}.first(static_cast<std::size_t>(size))))) {
      finish({.kind = Outcome::Kind::answered, .report = *std::move(report)});
    }
  }
};

class SctpProbe : public ProbeSocket {
 public:
  SctpProbe(const SocketAddress& from, const SocketAddress& to)
      : ProbeSocket{SOCK_RAW, Protocol::sctp, from, to} {}

  void start() override {
    const auto to = to_kernel({.ip = to_.ip, .port = Port{0}});
    if (::connect(fd(), to.get(), to.length) != 0) return finish_with_error(errno);
    const auto init = sctp::encode({.type = sctp::ChunkType::init,
                                    .source_port = from_.port.value,
                                    .destination_port = to_.port.value,
                                    .verification_tag = 0,
                                    .initiate_tag = from_.port.value,
                                    .cookie = {}});
    if (::send(fd(), init.data(), init.size(), 0) < 0 && errno != EPERM && errno != ECONNREFUSED) {
      finish_with_error(errno);
    }
  }

  [[nodiscard]] short events() const override { return POLLIN; }

 private:
  void read() override {
    std::array<std::byte, 2048> buffer;
    while (true) {
      const auto size = ::recv(fd(), buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EAGAIN) return;
      if (size < 0) continue;  // one error is reported once
      auto packet = std::span<const std::byte>{buffer}.first(static_cast<std::size_t>(size));
      if (to_.ip.family() == Family::v4) {
        const auto header = (std::to_integer<std::size_t>(packet[0]) & 0x0f) * 4;
        packet = packet.subspan(std::min(header, packet.size()));
      }
      // Raw sockets hear every packet of the protocol between the two addresses.
      const auto reply = sctp::decode(packet);
      if (!reply || reply->type != sctp::ChunkType::init_ack ||
          reply->destination_port != from_.port.value || reply->source_port != to_.port.value) {
        continue;
      }
      if (auto report = decode_report(reply->cookie)) {
        return finish({.kind = Outcome::Kind::answered, .report = *std::move(report)});
      }
    }
  }

  [[nodiscard]] bool concerns(std::span<const std::byte> packet) const override {
    if (packet.size() < 4) return false;
    const auto port =
        std::to_integer<unsigned>(packet[0]) << 8 | std::to_integer<unsigned>(packet[1]);
    return port == from_.port.value;
  }
};

}  // namespace

ProbeSocket::ProbeSocket(int type, Protocol protocol, const SocketAddress& from,
                         const SocketAddress& to)
    : from_{from},
      to_{to},
      fd_{::socket(address_family(to.ip.family()), type | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   static_cast<int>(protocol))} {
  if (!fd_) fail_with_errno("socket");
  const bool v4 = to.ip.family() == Family::v4;
  set(fd_, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, 1);
  if (type == SOCK_STREAM) set(fd_, SOL_SOCKET, SO_REUSEADDR, 1);
  // A raw socket gets a copy of every answer between its two addresses.
  if (type == SOCK_RAW) set(fd_, SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20);
  const auto own = to_kernel(type == SOCK_RAW ? SocketAddress{from.ip, Port{0}} : from);
  if (::bind(fd_.get(), own.get(), own.length) != 0) fail_with_errno("bind " + from.text());
}

void ProbeSocket::on_ready() {
  read_icmp_errors();
  if (!outcome_) read();
}

bool ProbeSocket::concerns(std::span<const std::byte>) const {
  return true;
}

void ProbeSocket::read_icmp_errors() {
  std::array<std::byte, 512> about;
  alignas(cmsghdr) std::array<std::byte, 512> control;
  while (!outcome_) {
    iovec vector{.iov_base = about.data(), .iov_len = about.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto size = ::recvmsg(fd_.get(), &message, MSG_ERRQUEUE);
    if (size < 0) return;
    const auto packet = std::span<const std::byte>{about}.first(static_cast<std::size_t>(size));
    for (auto* item = CMSG_FIRSTHDR(&message); item != nullptr;
         item = CMSG_NXTHDR(&message, item)) {
      sock_extended_err error{};
      if (item->cmsg_len < CMSG_LEN(sizeof error)) continue;
      std::memcpy(&error, CMSG_DATA(item), sizeof error);
      const bool is_icmp =
          error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6;
      if (is_icmp && concerns(packet)) {
        finish({.kind = Outcome::Kind::unreachable,
                .report = {},
                .icmp_type = error.ee_type,
                .icmp_code = error.ee_code});
      }
    }
  }
}

void ProbeSocket::finish_with_error(int error) {
  if (error == ECONNREFUSED || error == ECONNRESET) return finish({.kind = Outcome::Kind::reset});
  finish({.kind = Outcome::Kind::failed, .report = {}, .error = error});
}

std::unique_ptr<ProbeSocket> make_probe_socket(Protocol protocol, const SocketAddress& from,
                                               const SocketAddress& to, bool connecting_is_enough) {
  switch (protocol) {
    case Protocol::udp:
      return std::make_unique<UdpProbe>(from, to);
    case Protocol::sctp:
      return std::make_unique<SctpProbe>(from, to);
    case Protocol::tcp:
      break;
  }
  return std::make_unique<TcpProbe>(from, to, connecting_is_enough);
}

}  // namespace netns
