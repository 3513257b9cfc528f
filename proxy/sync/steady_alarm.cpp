#include "proxy/sync/steady_alarm.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace proxy::sync {
namespace {

namespace asio = boost::asio;

class SteadyAlarm final : public Alarm {
 public:
  explicit SteadyAlarm(const asio::any_io_executor& executor) : timer_{executor} {}

  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }

  asio::awaitable<void> wait_until(TimePoint when) override {
    timer_.expires_at(when);
    // Cancelled by ring() or expired: either way the waiter looks again at what there is to do.
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }

  void ring() override { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

}  // namespace

std::unique_ptr<Alarm> steady_alarm(const asio::any_io_executor& executor) {
  return std::make_unique<SteadyAlarm>(executor);
}

}  // namespace proxy::sync
