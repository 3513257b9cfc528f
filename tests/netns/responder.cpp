#include "tests/netns/responder.hpp"

#include "tests/netns/report.hpp"
#include "tests/netns/sctp.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>
#include <string>

namespace netns {
namespace {

using proxy::UniqueFd;

constexpr std::size_t kPacketSize = 2048;  // bytes; longer packets are none of the lab's

// With room for the packets of all flows at once: one that is lost here would look dropped.
UniqueFd open_socket(int domain, int type, int protocol) {
  constexpr int kRoom = 16 << 20;  // bytes
  UniqueFd fd{::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)};
  if (!fd) fail_with_errno("socket");
  if (type != SOCK_STREAM &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom) != 0) {
    fail_with_errno("SO_RCVBUFFORCE");
  }
  return fd;
}

// One read of at most kPacketSize bytes, and from whom.
struct Received {
  std::array<std::byte, kPacketSize> buffer;
  std::size_t size = 0;
  sockaddr_storage from{};
  socklen_t from_length = sizeof(sockaddr_storage);

  bool read(int fd) {
    from_length = sizeof from;
    const auto got = ::recvfrom(fd, buffer.data(), buffer.size(), MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&from), &from_length);
    size = got < 0 ? 0 : static_cast<std::size_t>(got);
    return got >= 0;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::span{buffer}.first(size); }
};

class TcpEndpoint : public Responder::Handler {
 public:
  TcpEndpoint(UniqueFd fd, std::string party) : Handler{std::move(fd)}, party_{std::move(party)} {}
  void on_readable() override {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    while (true) {
      const UniqueFd connection{::accept4(fd(), reinterpret_cast<sockaddr*>(&peer), &length,
                                          SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (!connection) return;
      sockaddr_storage own{};
      socklen_t own_length = sizeof own;
      ::getsockname(connection.get(), reinterpret_cast<sockaddr*>(&own), &own_length);
      const auto text = encode({.party = party_, .at = from_kernel(own), .saw = from_kernel(peer)});
      // A client that is already gone is the client's finding, not ours.
      static_cast<void>(::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL));
      length = sizeof peer;
    }
  }

 private:
  std::string party_;
};

class UdpEndpoint : public Responder::Handler {
 public:
  UdpEndpoint(UniqueFd fd, std::string party, const SocketAddress& at)
      : Handler{std::move(fd)}, party_{std::move(party)}, at_{at} {}
  void on_readable() override {
    Received in;
    while (in.read(fd())) {
      const auto text = encode({.party = party_, .at = at_, .saw = from_kernel(in.from)});
      static_cast<void>(::sendto(fd(), text.data(), text.size(), MSG_NOSIGNAL,
                                 reinterpret_cast<const sockaddr*>(&in.from), in.from_length));
    }
  }

 private:
  std::string party_;
  SocketAddress at_;
};

class SctpEndpoint : public Responder::Handler {
 public:
  SctpEndpoint(UniqueFd fd, std::string party, const SocketAddress& at)
      : Handler{std::move(fd)}, party_{std::move(party)}, at_{at} {}
  void on_readable() override {
    Received in;
    while (in.read(fd())) answer(in);
  }

 private:
  void answer(const Received& in) {
    auto packet = in.bytes();
    if (at_.ip.family() ==
        Family::v4) {  // raw IPv4 sockets hand out the IP header, IPv6 ones do not
      if (packet.empty()) return;
      const auto header = (std::to_integer<std::size_t>(packet[0]) & 0x0f) * 4;
      if (header > packet.size()) return;
      packet = packet.subspan(header);
    }
    const auto init = sctp::decode(packet);
    if (!init || init->type != sctp::ChunkType::init || init->destination_port != at_.port.value) {
      return;
    }
    auto peer = from_kernel(in.from);
    peer.port = Port{init->source_port};
    const auto reply =
        sctp::encode({.type = sctp::ChunkType::init_ack,
                      .source_port = at_.port.value,
                      .destination_port = init->source_port,
                      .verification_tag = init->initiate_tag,
                      .initiate_tag = 1,
                      .cookie = encode(Report{.party = party_, .at = at_, .saw = peer})});
    const auto to = to_kernel({.ip = peer.ip, .port = Port{0}});
    static_cast<void>(
        ::sendto(fd(), reply.data(), reply.size(), MSG_NOSIGNAL, to.get(), to.length));
  }

  std::string party_;
  SocketAddress at_;
};

class Watch : public Responder::Handler {
 public:
  Watch(UniqueFd fd, Arrivals& arrivals) : Handler{std::move(fd)}, arrivals_{arrivals} {}
  void on_readable() override {
    Received in;
    while (in.read(fd())) {
      if (reinterpret_cast<const sockaddr_ll&>(in.from).sll_pkttype == PACKET_OUTGOING) continue;
      if (const auto arrival = arrival_of(in.bytes())) arrivals_.add(*arrival);
    }
  }

 private:
  Arrivals& arrivals_;
};

void allow_reuse(const UniqueFd& fd) {
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

}  // namespace

Responder::Responder()
    : epoll_{::epoll_create1(EPOLL_CLOEXEC)}, stop_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (!epoll_ || !stop_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event) != 0) {
    fail_with_errno("epoll");
  }
  thread_ = std::thread{[this] { run(); }};
}

Responder::~Responder() {
  const std::uint64_t one = 1;
  static_cast<void>(::write(stop_.get(), &one, sizeof one));
  thread_.join();
}

std::optional<Responder::Id> Responder::serve(const Party& party, const SocketAddress& at,
                                              Protocol protocol) {
  const Inside inside{party.net};
  const int type = protocol == Protocol::tcp   ? SOCK_STREAM
                   : protocol == Protocol::udp ? SOCK_DGRAM
                                               : SOCK_RAW;
  auto fd = open_socket(address_family(at.ip.family()), type, static_cast<int>(protocol));
  if (protocol == Protocol::tcp) allow_reuse(fd);
  auto where = to_kernel(protocol == Protocol::sctp ? SocketAddress{at.ip, Port{0}} : at);
  if (::bind(fd.get(), where.get(), where.length) != 0 ||
      (protocol == Protocol::tcp && ::listen(fd.get(), SOMAXCONN) != 0)) {
    if (errno == EADDRINUSE) return std::nullopt;
    fail_with_errno(party.name + ": listen at " + at.text());
  }
  switch (protocol) {
    case Protocol::tcp:
      return add(std::make_unique<TcpEndpoint>(std::move(fd), party.name));
    case Protocol::udp:
      return add(std::make_unique<UdpEndpoint>(std::move(fd), party.name, at));
    case Protocol::sctp:
      return add(std::make_unique<SctpEndpoint>(std::move(fd), party.name, at));
  }
  return std::nullopt;
}

void Responder::watch(const Party& party) {
  const Inside inside{party.net};
  add(std::make_unique<Watch>(open_socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), arrivals_));
}

void Responder::stop_serving(Id id) {
  const std::lock_guard lock{mutex_};
  handlers_.erase(id);  // closes the socket, which leaves the epoll set by that
}

Responder::Id Responder::add(std::unique_ptr<Handler> handler) {
  const std::lock_guard lock{mutex_};
  const auto id = next_++;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = id}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, handler->fd(), &event) != 0) {
    fail_with_errno("epoll_ctl");
  }
  handlers_.emplace(id, std::move(handler));
  return id;
}

void Responder::run() {
  std::array<epoll_event, 64> events;
  while (true) {
    const int ready =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (const auto& event :
         std::span{events}.first(ready < 0 ? 0 : static_cast<std::size_t>(ready))) {
      const Id id = event.data.u64;  // copied: the kernel's structure is packed
      if (id == 0) return;
      // Handled under the lock, so that a socket is closed for good when stop_serving() returns. An
      // id that is gone was closed after epoll_wait had returned it.
      const std::lock_guard lock{mutex_};
      if (const auto found = handlers_.find(id); found != handlers_.end()) {
        found->second->on_readable();
      }
    }
  }
}

}  // namespace netns
