// A TCP client and server for measuring proxies, and one run of a measurement between them.
//
//   userspace_proxy_bench server PORT           serves until it is ended
//   userspace_proxy_bench bulk PORT SECONDS CONNECTIONS      Gbit/s, server to client
//   userspace_proxy_bench connect PORT SECONDS CONNECTIONS   connections a second, one exchange
//   each userspace_proxy_bench rtt PORT SECONDS                   µs of a 64-byte exchange
//   userspace_proxy_bench idle PORT CONNECTIONS              opens them, prints a line, waits for
//   EOF on stdin
//
// The first byte a client sends says what it wants: 'b' bytes without end, 'e' its bytes back.
// bench/userspace_peers runs it against every peer in turn, on the same cores.
#include "bench/loopback_sockets.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using bench::connect_to;
using bench::listen_at;
using bench::loopback;
using bench::no_delay;
using bench::raise_descriptor_limit;
constexpr std::size_t kMessage = 64;

int serve(const char* port) {
  raise_descriptor_limit();
  const int listener = listen_at(port);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [&](int fd, std::uint32_t events, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll, operation, fd, &event);
  };
  watch(listener, EPOLLIN, EPOLL_CTL_ADD);
  std::vector<char> wants(1 << 20, 0);
  const std::vector<char> bulk(256 * 1024, 'x');
  std::array<char, 4096> buffer{};
  for (;;) {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll, events.data(), 256, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        for (;;) {
          const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
          if (accepted < 0) break;
          no_delay(accepted);
          wants[static_cast<std::size_t>(accepted)] = 0;
          watch(accepted, EPOLLIN, EPOLL_CTL_ADD);
        }
        continue;
      }
      auto& want = wants[static_cast<std::size_t>(fd)];
      if (want == 'b') {
        const auto sent = ::send(fd, bulk.data(), bulk.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) ::close(fd);
        continue;
      }
      const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ::close(fd);
        continue;
      }
      if (want == 0) want = buffer[0];
      if (want == 'b') {
        watch(fd, EPOLLOUT, EPOLL_CTL_MOD);
      } else {
        (void)::send(fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      }
    }
  }
}

int measure_bulk(const char* port, double seconds, int connections) {
  const auto address = loopback(port);
  std::vector<std::uint64_t> bytes(static_cast<std::size_t>(connections), 0);
  std::vector<std::thread> threads;
  const auto began = Clock::now();
  const auto until =
      began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (int i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      const int fd = connect_to(address);
      (void)::send(fd, "b", 1, MSG_NOSIGNAL);
      std::vector<char> buffer(256 * 1024);
      while (Clock::now() < until) {
        const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) break;
        bytes[static_cast<std::size_t>(i)] += static_cast<std::uint64_t>(got);
      }
      ::close(fd);
    });
  }
  for (auto& thread : threads) thread.join();
  std::uint64_t sum = 0;
  for (const auto each : bytes) sum += each;
  const std::chrono::duration<double> took = Clock::now() - began;
  std::printf("%.3f %.3f\n", static_cast<double>(sum) * 8e-9 / took.count(),
              static_cast<double>(sum) * 1e-9);
  return 0;
}

// One exchange of 64 bytes; how long it took in µs, from connecting if `fd` is below 0.
double exchange(const sockaddr_in& address, int fd) {
  std::array<char, kMessage> message{};
  message.fill('e');
  const auto began = Clock::now();
  const bool opens = fd < 0;
  if (opens) fd = connect_to(address);
  (void)::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
  for (std::size_t got = 0; got < message.size();) {
    const auto some = ::recv(fd, message.data(), message.size(), 0);
    if (some <= 0) {
      std::perror("recv");
      std::exit(1);
    }
    got += static_cast<std::size_t>(some);
  }
  if (opens) {
    // Without a FIN's TIME_WAIT on our side: ports do not run out.
    const linger abortive{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abortive, sizeof(abortive));
    ::close(fd);
  }
  return std::chrono::duration<double, std::micro>(Clock::now() - began).count();
}

void print_percentiles(std::vector<double> times, double seconds) {
  if (times.empty()) return;
  std::ranges::sort(times);
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  std::printf("%.0f %.1f %.1f\n", static_cast<double>(times.size()) / seconds, at(0.5), at(0.99));
}

int measure_exchanges(const char* port, double seconds, int connections, bool open_each) {
  const auto address = loopback(port);
  std::vector<std::vector<double>> times(static_cast<std::size_t>(connections));
  std::vector<std::thread> threads;
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
  for (auto& mine : times) {
    threads.emplace_back([&] {
      const int fd = open_each ? -1 : connect_to(address);
      while (Clock::now() < until) mine.push_back(exchange(address, fd));
      if (fd >= 0) ::close(fd);
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<double> all;
  for (const auto& mine : times) all.insert(all.end(), mine.begin(), mine.end());
  print_percentiles(std::move(all), seconds);
  return 0;
}

int hold_idle(const char* port, int connections) {
  raise_descriptor_limit();
  const auto address = loopback(port);
  std::vector<int> fds;
  for (int i = 0; i < connections; ++i) {
    fds.push_back(connect_to(address));
    (void)exchange(address, fds.back());
  }
  std::printf("open\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto number = [&](std::size_t at, double otherwise) {
    return words.size() > at ? std::atof(words[at].c_str()) : otherwise;
  };
  if (words.size() < 2) return 2;
  const char* port = words[1].c_str();
  if (words[0] == "server") return serve(port);
  if (words[0] == "bulk") return measure_bulk(port, number(2, 3), static_cast<int>(number(3, 1)));
  if (words[0] == "connect") {
    return measure_exchanges(port, number(2, 3), static_cast<int>(number(3, 1)), true);
  }
  if (words[0] == "rtt") return measure_exchanges(port, number(2, 3), 1, false);
  if (words[0] == "idle") return hold_idle(port, static_cast<int>(number(2, 1000)));
  return 2;
}
