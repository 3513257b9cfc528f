#include "modes/userspace/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <thread>

namespace modes::userspace {
namespace {

using proxy::UniqueFd;

std::pair<UniqueFd, UniqueFd> connected_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

TEST(EventToken, IsTheSameAfterItHasGoneThroughEpoll) {
  for (const std::uint32_t number : {0U, 1U, 0xffffffffU}) {
    epoll_event event{};
    event.data.u64 = Token{Watcher::relay, Token::kAges - 1, number}.word();
    const auto token = Token::of(event);
    EXPECT_EQ(token.watcher, Watcher::relay);
    EXPECT_EQ(token.age, Token::kAges - 1);
    EXPECT_EQ(token.number, number);
  }
}

TEST(EventLoop, TellsWhatIsReadyAndWhoseItIs) {
  auto loop = EventLoop::open();
  ASSERT_TRUE(loop);
  const auto [mine, other] = connected_pair();
  ASSERT_TRUE(loop->watch(mine.get(), EPOLLIN, {Watcher::listener, 0, 7}));
  EXPECT_TRUE(loop->wait(Clock::now()).empty());
  ASSERT_EQ(::send(other.get(), "x", 1, 0), 1);
  const auto ready = loop->wait(std::nullopt);
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(Token::of(ready[0]).watcher, Watcher::listener);
  EXPECT_EQ(Token::of(ready[0]).number, 7U);
}

TEST(EventLoop, AChangeTellsAtOnceWhatIsReadyAlready) {
  auto loop = EventLoop::open();
  ASSERT_TRUE(loop);
  const auto [mine, other] = connected_pair();
  ASSERT_TRUE(loop->watch(mine.get(), EPOLLIN | EPOLLET, {Watcher::relay, 0, 1}));
  EXPECT_TRUE(loop->wait(Clock::now()).empty());
  loop->change(mine.get(), EPOLLIN | EPOLLOUT | EPOLLET, {Watcher::relay, 0, 1});
  EXPECT_EQ(loop->wait(std::nullopt).size(), 1U);
}

TEST(EventLoop, ExecutesMessagesOfOtherThreadsInTheirOrderAndOnItsOwn) {
  auto loop = EventLoop::open();
  ASSERT_TRUE(loop);
  constexpr int kMessages = 10'000;
  std::vector<int> seen;
  std::thread::id executed_by;
  auto sender = std::async(std::launch::async, [&] {
    for (int i = 0; i < kMessages; ++i) {
      loop->post([&, i] {
        seen.push_back(i);
        executed_by = std::this_thread::get_id();
      });
    }
  });
  while (seen.size() < kMessages) EXPECT_TRUE(loop->wait(std::nullopt).empty());
  sender.get();
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(executed_by, std::this_thread::get_id());
}

TEST(EventLoop, AMessageMayPostAnother) {
  auto loop = EventLoop::open();
  ASSERT_TRUE(loop);
  bool done = false;
  loop->post([&] { loop->post([&] { done = true; }); });
  while (!done) (void)loop->wait(std::nullopt);
}

}  // namespace
}  // namespace modes::userspace
