// What one worker waits for: one epoll set for all its sockets and for messages of other threads.
//
// One wait tells of everything that is ready, and nothing is armed anew afterwards: a connection
// costs one call for each of its sockets (docs/decisions/0005). Only post() may be called by other
// threads.
#pragma once

#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace modes::userspace {

using Clock = std::chrono::steady_clock;

// Whose an event is. `number` and `age` are the watcher's own: an event that was already fetched
// when its socket was closed bears the age of what is no more.
enum class Watcher : std::uint8_t { messages, listener, flows, relay };
struct Token {
  Watcher watcher = Watcher::messages;
  std::uint32_t age = 0;  // 24 bits
  std::uint32_t number = 0;

  static constexpr std::uint32_t kAges = 1U << 24U;
  [[nodiscard]] static Token of(const epoll_event& event) {
    const auto word = event.data.u64;
    return {static_cast<Watcher>(word >> 56U), static_cast<std::uint32_t>(word >> 32U) % kAges,
            static_cast<std::uint32_t>(word)};
  }
  [[nodiscard]] std::uint64_t word() const {
    return std::uint64_t{static_cast<std::uint8_t>(watcher)} << 56U |
           std::uint64_t{age % kAges} << 32U | number;
  }
};

class EventLoop {
 public:
  [[nodiscard]] static proxy::Result<EventLoop> open();

  // `events` of epoll_ctl(2). Fails when the kernel has no memory, or the user no watches
  // (fs.epoll.max_user_watches), left.
  [[nodiscard]] bool watch(int fd, std::uint32_t events, Token token);
  // Of one that is watched; says at once what is ready of it already.
  void change(int fd, std::uint32_t events, Token token);
  // A descriptor that is closed is forgotten without this.
  void forget(int fd);

  // Waits until something is ready, but not longer than to `deadline`, and returns a batch of what
  // is; valid until the next call. Messages are not among it: they have been executed.
  [[nodiscard]] std::span<const epoll_event> wait(std::optional<Clock::time_point> deadline);

  // Executes `message` on the thread that waits.
  void post(std::function<void()> message);

 private:
  // What other threads have to say.
  struct Mailbox {
    std::mutex mutex;  // guards the messages
    std::vector<std::function<void()>> messages;
    proxy::UniqueFd wake;  // an eventfd
  };
  void execute_messages();

  proxy::UniqueFd epoll_;
  std::unique_ptr<Mailbox> mailbox_ = std::make_unique<Mailbox>();
  std::array<epoll_event, 128> events_{};
};

}  // namespace modes::userspace
