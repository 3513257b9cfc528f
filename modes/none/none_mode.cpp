#include "modes/none/none_mode.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace modes::none {
namespace {

namespace asio = boost::asio;

class NoneMode final : public Mode {
 public:
  Awaitable<Result<SyncReport>> reconcile(const ServiceTable& /*wanted*/) override {
    co_return SyncReport{};
  }
  Awaitable<Result<SyncReport>> sync(const ServiceTable& /*wanted*/,
                                     std::span<const ServicePortName> /*changed*/) override {
    co_return SyncReport{};
  }
  Awaitable<OutsideChange> outside_change() override {
    asio::steady_timer never{co_await asio::this_coro::executor,
                             asio::steady_timer::time_point::max()};
    // Ends only by cancellation, as an exception.
    while (true) co_await never.async_wait(asio::use_awaitable);
  }
  Awaitable<std::vector<Traffic>> traffic(std::span<const ServicePortName> names) override {
    co_return std::vector<Traffic>(names.size());
  }
  Awaitable<void> shut_down() override { co_return; }
  [[nodiscard]] std::vector<Figure> figures() const override { return {}; }
};

}  // namespace

std::unique_ptr<Mode> make_mode() {
  return std::make_unique<NoneMode>();
}

}  // namespace modes::none
