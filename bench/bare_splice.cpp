// A TCP proxy that does nothing but splice: the floor that bench/userspace_peers measures proxies
// against. It has one target, no time-outs, no second endpoint, passes no reset on and gives up a
// connection on the first error; what a real proxy costs beyond it is what that proxy does.
//
//   bare_splice PORT TARGET_PORT      from and to 127.0.0.1, two threads, until it is ended
#include "bench/loopback_sockets.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int kPipeSize = 1024 * 1024;

struct Pipe {
  int out = -1;
  int in = -1;
  std::size_t filled = 0;
};

struct Side {
  int fd = -1;
  std::unique_ptr<Pipe> to_other;  // only while the other side does not take what it holds
  bool ended = false;
};

struct Connection {
  std::array<Side, 2> sides;
};

class Loop {
 public:
  Loop(int listener, const char* target) : listener_{listener}, target_{target} {
    watch(listener_, EPOLLIN | EPOLLEXCLUSIVE, nullptr, 0);
  }

  void run() {
    std::array<epoll_event, 256> events{};
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), 256, -1);
      for (int i = 0; i < count; ++i) handle(events.at(static_cast<std::size_t>(i)).data.u64);
      closed_.clear();
    }
  }

 private:
  // The side of a connection is the lowest bit of its address; null is the listener.
  void watch(int fd, std::uint32_t events, Connection* connection, std::uint64_t side) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = reinterpret_cast<std::uint64_t>(connection) | side;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void handle(std::uint64_t what) {
    if (what == 0) return accept();
    auto* connection = reinterpret_cast<Connection*>(what & ~std::uint64_t{1});
    auto& [a, b] = connection->sides;
    if (a.fd < 0) return;  // closed by another event of this turn
    if (!pump(a, b) || !pump(b, a) || (a.ended && b.ended)) close(connection);
  }

  void accept() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    bench::no_delay(client);
    const int server = bench::connect_to(bench::loopback(target_));
    ::fcntl(server, F_SETFL, O_NONBLOCK);
    auto* connection = new Connection{};
    connection->sides[0].fd = client;
    connection->sides[1].fd = server;
    watch(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection, 0);
    watch(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection, 1);
  }

  std::unique_ptr<Pipe> take_pipe() {
    if (spare_.empty()) {
      std::array<int, 2> ends{};
      if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
        std::perror("pipe");
        std::exit(1);
      }
      ::fcntl(ends[1], F_SETPIPE_SZ, kPipeSize);
      return std::make_unique<Pipe>(Pipe{ends[0], ends[1], 0});
    }
    auto pipe = std::move(spare_.back());
    spare_.pop_back();
    return pipe;
  }

  // Until one of them would block; false on any error.
  bool pump(Side& from, Side& to) {
    auto pipe = from.to_other ? std::move(from.to_other) : take_pipe();
    for (;;) {
      while (pipe->filled > 0) {
        const auto sent = ::splice(pipe->out, nullptr, to.fd, nullptr, pipe->filled, kFlags);
        if (sent < 0) {
          from.to_other = std::move(pipe);
          return errno == EAGAIN;
        }
        pipe->filled -= static_cast<std::size_t>(sent);
      }
      const auto got =
          from.ended ? 0 : ::splice(from.fd, nullptr, pipe->in, nullptr, kPipeSize, kFlags);
      if (got > 0) {
        pipe->filled = static_cast<std::size_t>(got);
        continue;
      }
      const bool nothing_now = got < 0 && errno == EAGAIN;
      spare_.push_back(std::move(pipe));
      if (got < 0) return nothing_now;
      if (!std::exchange(from.ended, true)) ::shutdown(to.fd, SHUT_WR);
      return true;
    }
  }

  void close(Connection* connection) {
    for (auto& side : connection->sides) {
      ::close(std::exchange(side.fd, -1));
      if (!side.to_other) continue;
      ::close(side.to_other->in);
      ::close(side.to_other->out);
    }
    closed_.emplace_back(connection);
  }

  static constexpr unsigned kFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

  int listener_;
  const char* target_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Pipe>> spare_;
  std::vector<std::unique_ptr<Connection>> closed_;  // events of this turn may still name them
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: bare_splice PORT TARGET_PORT\n", stderr);
    return 2;
  }
  bench::raise_descriptor_limit();
  (void)std::signal(SIGPIPE, SIG_IGN);  // splice(2) has no MSG_NOSIGNAL
  const int listener = bench::listen_at(argv[1]);
  std::thread second{[&] { Loop{listener, argv[2]}.run(); }};
  Loop{listener, argv[2]}.run();
}
