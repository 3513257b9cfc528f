// Runs a mode: calls it when the Schedule says so, one call at a time, and tells how it went.
//
// Lives on the control thread's executor; the coroutine only moves, Schedule decides.
#pragma once

#include "modes/mode.hpp"
#include "proxy/sync/alarm.hpp"
#include "proxy/sync/schedule.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>

namespace proxy::sync {

// How one sync or reconcile went.
struct Outcome {
  Cause cause = Cause::start;
  std::size_t changed = 0;  // service ports that were named; a reconcile looks at all
  Duration duration{0};
  Result<modes::SyncReport> report = modes::SyncReport{};
  Duration retry_in{0};  // if it failed: how long until the next attempt
  int failures = 0;      // in a row, up to this one
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Changes wait to be written; called for each change.
  virtual void queued() = 0;
  // What was queued until now is being written.
  virtual void began(Cause cause) = 0;
  // Also for a change that turned out to concern nothing that is forwarded: a sync of no service
  // ports, without a call of the mode.
  virtual void finished(const Outcome& outcome) = 0;
  // Somebody else changed what is ours; the repair begins next.
  virtual void noticed(const modes::OutsideChange& change) = 0;
};

// What a scheduler works with; all of it outlives the scheduler.
struct SchedulerParts {
  state::ServiceTable& wanted;
  modes::Mode& mode;
  Alarm& alarm;
  Observer& observer;
  std::function<double()> chance;  // in [0, 1)
};

class Scheduler {
 public:
  Scheduler(SchedulerParts parts, const Policy& policy);

  // The table holds all there is: the first reconcile may begin.
  void records_are_complete();
  // The table has changed; before records_are_complete() this only queues.
  void changed();

  // Works until stop() was called and the call of the mode that was going on then is through.
  // Throws what the mode throws, which it should not.
  boost::asio::awaitable<void> run();
  void stop();

 private:
  boost::asio::awaitable<void> work();
  boost::asio::awaitable<void> watch();
  boost::asio::awaitable<void> perform(Cause cause);
  void report(Outcome outcome, TimePoint began);

  SchedulerParts parts_;
  Schedule schedule_;
  bool stopping_ = false;
};

}  // namespace proxy::sync
