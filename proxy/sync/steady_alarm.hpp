// The alarm of the real world: std::chrono::steady_clock and an Asio timer.
#pragma once

#include "proxy/sync/alarm.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace proxy::sync {

[[nodiscard]] std::unique_ptr<Alarm> steady_alarm(const boost::asio::any_io_executor& executor);

}  // namespace proxy::sync
