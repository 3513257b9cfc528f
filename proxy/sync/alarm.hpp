// A clock that a coroutine can wait on and be woken from early; the only view of time that the
// scheduler has, so that its tests need not wait.
#pragma once

#include "proxy/sync/time_budget.hpp"

#include <boost/asio/awaitable.hpp>

namespace proxy::sync {

class Alarm {
 public:
  virtual ~Alarm() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  // Completes at `when`, or at the next ring(), whichever comes first. One waiter at a time.
  virtual boost::asio::awaitable<void> wait_until(TimePoint when) = 0;
  // Ends the wait that is going on; nothing happens if there is none.
  virtual void ring() = 0;
};

}  // namespace proxy::sync
