#include "proxy/status/traffic_look.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace proxy::status {

namespace asio = boost::asio;
using state::ServicePortName;

namespace {

constexpr std::chrono::seconds kFresh{1};

}  // namespace

struct TrafficLook::State {
  struct Known {
    std::chrono::steady_clock::time_point at;
    std::shared_ptr<const modes::Traffic> traffic;
  };

  [[nodiscard]] std::vector<ServicePortName> unknown(const std::vector<ServicePortName>& names) {
    std::erase_if(known,
                  [until = now() - kFresh](const auto& one) { return one.second.at < until; });
    std::vector<ServicePortName> out;
    std::ranges::copy_if(names, std::back_inserter(out),
                         [this](const auto& name) { return !known.contains(name); });
    return out;
  }

  Read read;
  Clock now;
  bool reading = false;
  asio::steady_timer read_is_over;  // never expires: cancelled when it is
  std::map<ServicePortName, Known> known;
};

TrafficLook::TrafficLook(asio::any_io_executor executor, Read read, Clock now)
    : state_{std::make_shared<State>(
          State{.read = std::move(read),
                .now = std::move(now),
                .read_is_over = asio::steady_timer{executor, asio::steady_timer::time_point::max()},
                .known = {}})} {}

modes::Awaitable<TrafficOf> TrafficLook::at(std::vector<ServicePortName> names) {
  const auto state = state_;
  while (state->reading) {
    co_await state->read_is_over.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (const auto unknown = state->unknown(names); !unknown.empty()) {
    state->reading = true;
    const auto over = [&state] {
      state->reading = false;
      state->read_is_over.cancel();
    };
    std::vector<modes::Traffic> traffic;
    try {
      traffic = co_await state->read(unknown);
    } catch (...) {
      over();
      throw;
    }
    over();
    for (std::size_t i = 0; i < std::min(unknown.size(), traffic.size()); ++i) {
      state->known[unknown[i]] = {state->now(),
                                  std::make_shared<const modes::Traffic>(std::move(traffic[i]))};
    }
  }
  TrafficOf out;
  for (const auto& name : names) {
    if (const auto it = state->known.find(name); it != state->known.end()) {
      out.emplace(name, it->second.traffic);
    }
  }
  co_return out;
}

}  // namespace proxy::status
