#include "bench/connection_load.hpp"

#include "bench/report.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace bench {
namespace {

constexpr int kUnderWay = 64;
constexpr int kPatience = 2000;  // ms without any progress

[[noreturn]] void fail_with_errno(const char* what, int error) {
  fail(std::string{what} + ": " + std::strerror(error));
}

sockaddr_in to_kernel(const proxy::IpAddress& address, proxy::Port port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port.value);
  std::memcpy(&out.sin_addr, address.bytes().data(), sizeof(out.sin_addr));
  return out;
}

proxy::UniqueFd tcp_socket() {
  proxy::UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) fail_with_errno("socket", errno);
  return fd;
}

// Connections under way, each in a slot that is used again when it stands.
class Connections {
 public:
  explicit Connections(const sockaddr_in& to) : to_{to}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (!epoll_) fail_with_errno("epoll", errno);
    for (std::uint32_t slot = 0; slot < kUnderWay; ++slot) open(slot);
  }

  // Waits until some stand and replaces them. Returns how many.
  int turn() {
    std::array<epoll_event, kUnderWay> ready{};
    const int count = ::epoll_wait(epoll_.get(), ready.data(), kUnderWay, kPatience);
    if (count == 0) fail("no connection stands any more");
    for (int i = 0; i < count; ++i) {
      const auto slot = ready[static_cast<std::size_t>(i)].data.u32;
      check(slots_[slot].get());
      open(slot);
    }
    return std::max(count, 0);
  }

 private:
  void open(std::uint32_t slot) {
    auto fd = tcp_socket();
    // Closing resets: no TIME_WAIT holds the port.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    const auto* to = reinterpret_cast<const sockaddr*>(&to_);
    if (::connect(fd.get(), to, sizeof to_) != 0 && errno != EINPROGRESS) {
      fail_with_errno("connect", errno);
    }
    epoll_event event{.events = EPOLLOUT, .data = {.u32 = slot}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
    slots_[slot] = std::move(fd);
  }
  static void check(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) fail_with_errno("connection", error);
  }

  sockaddr_in to_;
  proxy::UniqueFd epoll_;
  std::array<proxy::UniqueFd, kUnderWay> slots_;
};

}  // namespace

AcceptingServer::AcceptingServer(const netns::NetworkNamespace& net, proxy::Port port) {
  const netns::Inside inside{net};
  listener_ = tcp_socket();
  const auto at = to_kernel(proxy::IpAddress::any(proxy::Family::v4), port);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      ::listen(listener_.get(), SOMAXCONN) != 0) {
    fail_with_errno("listen", errno);
  }
  thread_ = std::thread{[this] { serve(); }};
}

AcceptingServer::~AcceptingServer() {
  stop_ = true;
  ::shutdown(listener_.get(), SHUT_RD);  // wakes the thread
  thread_.join();
}

void AcceptingServer::serve() {
  pollfd ready{.fd = listener_.get(), .events = POLLIN, .revents = 0};
  while (!stop_) {
    const proxy::UniqueFd accepted{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!accepted) ::poll(&ready, 1, -1);
  }
}

double connections_per_second(const netns::NetworkNamespace& net, const proxy::IpAddress& to,
                              proxy::Port port, std::chrono::milliseconds duration) {
  using Clock = std::chrono::steady_clock;
  const netns::Inside inside{net};
  Connections connections{to_kernel(to, port)};
  const auto start = Clock::now();
  long done = 0;
  while (Clock::now() - start < duration) done += connections.turn();
  return static_cast<double>(done) / std::chrono::duration<double>{Clock::now() - start}.count();
}

}  // namespace bench
