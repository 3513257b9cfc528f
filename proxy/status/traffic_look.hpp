// What has gone through service ports, for whoever looks at them: read from the mode when asked
// for.
//
// Nothing is read while nobody looks. One reading at a time, and what was read serves everybody who
// asks within a second: many who look cost no more than one.
#pragma once

#include "modes/mode.hpp"
#include "proxy/status/service_list.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace proxy::status {

class TrafficLook {
 public:
  // As modes::Mode::traffic().
  using Read = std::function<modes::Awaitable<std::vector<modes::Traffic>>(
      std::span<const state::ServicePortName>)>;
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  TrafficLook(boost::asio::any_io_executor executor, Read read, Clock now);

  // To be awaited on `executor`. Waits for a reading that is under way.
  [[nodiscard]] modes::Awaitable<TrafficOf> at(std::vector<state::ServicePortName> names);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with those who wait
};

}  // namespace proxy::status
