// A clock that stands still until it is told to go on.
#pragma once

#include "proxy/sync/alarm.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace fakes {

class FakeAlarm final : public proxy::sync::Alarm {
 public:
  explicit FakeAlarm(const boost::asio::any_io_executor& executor) : timer_{executor} {}

  [[nodiscard]] proxy::sync::TimePoint now() const override { return now_; }

  boost::asio::awaitable<void> wait_until(proxy::sync::TimePoint when) override {
    if (when <= now_) co_return;
    until_ = when;
    timer_.expires_at(boost::asio::steady_timer::time_point::max());  // only ring() ends it
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    until_ = proxy::sync::TimePoint::max();
  }

  void ring() override { timer_.cancel(); }

  // Time passes; who waits for a moment in it is woken.
  void advance(proxy::sync::Duration time) {
    now_ += time;
    if (until_ <= now_) timer_.cancel();
  }
  // What the waiter waits for; TimePoint::max() for nothing but ring().
  [[nodiscard]] proxy::sync::TimePoint until() const { return until_; }

 private:
  boost::asio::steady_timer timer_;
  proxy::sync::TimePoint now_{std::chrono::hours{1}};
  proxy::sync::TimePoint until_ = proxy::sync::TimePoint::max();
};

}  // namespace fakes
