// A mode whose kernel is a list of what was asked of it.
#pragma once

#include "modes/mode.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace fakes {

class FakeMode final : public modes::Mode {
 public:
  explicit FakeMode(const boost::asio::any_io_executor& executor)
      : answered_{executor}, tampered_{executor} {}

  // "reconcile of 2", "sync ns/a ns/b", in the order of the calls.
  std::vector<std::string> calls;
  // What the next calls end with, first to last; success when empty.
  std::deque<modes::Result<modes::SyncReport>> results;
  // Calls wait for release() before they end.
  bool held = false;
  bool shut = false;
  int concurrent_calls = 0;
  int most_concurrent_calls = 0;

  void release() {
    held = false;
    answered_.cancel();
  }
  void tamper(modes::OutsideChange change) {
    tampering_.push_back(std::move(change));
    tampered_.cancel();
  }

  modes::Awaitable<modes::Result<modes::SyncReport>> reconcile(
      const modes::ServiceTable& wanted) override {
    calls.push_back("reconcile of " + std::to_string(wanted.size()));
    return answer();
  }
  modes::Awaitable<modes::Result<modes::SyncReport>> sync(
      const modes::ServiceTable&, std::span<const modes::ServicePortName> changed) override {
    std::string call = "sync";
    for (const auto& name : changed) call += " " + name.text();
    calls.push_back(call);
    return answer();
  }
  modes::Awaitable<modes::OutsideChange> outside_change() override {
    while (tampering_.empty()) {
      tampered_.expires_at(boost::asio::steady_timer::time_point::max());
      co_await tampered_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    auto change = std::move(tampering_.front());
    tampering_.pop_front();
    co_return change;
  }
  // One more connection with each reading.
  modes::Awaitable<std::vector<modes::Traffic>> traffic(
      std::span<const modes::ServicePortName> names) override {
    modes::Traffic traffic;
    traffic.total.connections = ++readings;
    co_return std::vector<modes::Traffic>(names.size(), traffic);
  }
  std::uint64_t readings = 0;
  modes::Awaitable<void> shut_down() override {
    shut = true;
    co_return;
  }
  [[nodiscard]] std::vector<Figure> figures() const override {
    return {{"viaduct_fake_total", {}, static_cast<double>(calls.size())}};
  }

 private:
  modes::Awaitable<modes::Result<modes::SyncReport>> answer() {
    most_concurrent_calls = std::max(most_concurrent_calls, ++concurrent_calls);
    while (held) {
      answered_.expires_at(boost::asio::steady_timer::time_point::max());
      co_await answered_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    --concurrent_calls;
    if (results.empty())
      co_return modes::SyncReport{.transactions = 1, .operations = 1, .set_aside = {}};
    auto result = std::move(results.front());
    results.pop_front();
    co_return result;
  }

  boost::asio::steady_timer answered_;
  boost::asio::steady_timer tampered_;
  std::deque<modes::OutsideChange> tampering_;
};

}  // namespace fakes
