#include "modes/userspace/event_loop.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace modes::userspace {
namespace {

// Milliseconds for epoll_wait(2), rounded up: a deadline is over when it wakes.
int time_until(std::optional<Clock::time_point> deadline) {
  if (!deadline) return -1;
  constexpr std::int64_t kMost = 1'000'000;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, kMost));
}

}  // namespace

proxy::Result<EventLoop> EventLoop::open() {
  EventLoop loop;
  loop.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!loop.epoll_) return proxy::system_error(errno, "create an epoll descriptor");
  auto& wake = loop.mailbox_->wake;
  wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake || !loop.watch(wake.get(), EPOLLIN, {.watcher = Watcher::messages})) {
    return proxy::system_error(errno, "create an event descriptor");
  }
  return loop;
}

bool EventLoop::watch(int fd, std::uint32_t events, Token token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token.word();
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventLoop::change(int fd, std::uint32_t events, Token token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token.word();
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::forget(int fd) {
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const epoll_event> EventLoop::wait(std::optional<Clock::time_point> deadline) {
  const int count = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                 time_until(deadline));
  const auto ready = std::span{events_}.first(static_cast<std::size_t>(std::max(count, 0)));
  const auto is_message = [](const epoll_event& event) {
    return Token::of(event).watcher == Watcher::messages;
  };
  const auto messages = std::ranges::find_if(ready, is_message);
  if (messages == ready.end()) return ready;
  std::swap(*messages, ready.back());
  execute_messages();
  return ready.first(ready.size() - 1);
}

void EventLoop::post(std::function<void()> message) {
  bool first = false;
  {
    const std::lock_guard lock{mailbox_->mutex};
    first = mailbox_->messages.empty();
    mailbox_->messages.push_back(std::move(message));
  }
  const std::uint64_t one = 1;
  if (first) (void)!::write(mailbox_->wake.get(), &one, sizeof(one));
}

void EventLoop::execute_messages() {
  std::uint64_t count = 0;
  (void)!::read(mailbox_->wake.get(), &count, sizeof(count));
  std::vector<std::function<void()>> messages;
  {
    const std::lock_guard lock{mailbox_->mutex};
    messages.swap(mailbox_->messages);
  }
  for (const auto& message : messages) message();
}

}  // namespace modes::userspace
