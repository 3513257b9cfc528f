#include "proxy/sync/scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace proxy::sync {

namespace asio = boost::asio;

Scheduler::Scheduler(SchedulerParts parts, const Policy& policy)
    : parts_{std::move(parts)}, schedule_{policy, parts_.alarm.now()} {}

void Scheduler::records_are_complete() {
  schedule_.records_are_complete();
  changed();
}

void Scheduler::changed() {
  schedule_.changed();
  parts_.observer.queued();
  parts_.alarm.ring();
}

void Scheduler::stop() {
  stopping_ = true;
  parts_.alarm.ring();
}

asio::awaitable<void> Scheduler::run() {
  const auto executor = co_await asio::this_coro::executor;
  auto [order, worked, watched] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, work(), asio::deferred),
          asio::co_spawn(executor, watch(), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  // Whoever ended second was cancelled; only the first says why this ends.
  if (const auto& why = order[0] == 0 ? worked : watched; why) std::rethrow_exception(why);
}

asio::awaitable<void> Scheduler::work() {
  while (!stopping_) {
    const auto step = schedule_.next(parts_.alarm.now());
    if (step.cause) {
      co_await perform(*step.cause);
    } else {
      co_await parts_.alarm.wait_until(step.until);
    }
  }
}

asio::awaitable<void> Scheduler::watch() {
  while (true) {
    const auto change = co_await parts_.mode.outside_change();
    schedule_.outside_change();
    parts_.observer.noticed(change);
    parts_.alarm.ring();
  }
}

asio::awaitable<void> Scheduler::perform(Cause cause) {
  const auto began = parts_.alarm.now();
  schedule_.began(cause, began);
  parts_.observer.began(cause);
  // A reconcile covers every change that is in the table when it begins.
  const auto changed = parts_.wanted.take_changes();
  Outcome outcome{.cause = cause, .changed = is_reconcile(cause) ? 0 : changed.size()};
  if (is_reconcile(cause)) {
    outcome.report = co_await parts_.mode.reconcile(parts_.wanted);
  } else if (!changed.empty()) {
    outcome.report = co_await parts_.mode.sync(parts_.wanted, changed);
  }
  report(std::move(outcome), began);
}

void Scheduler::report(Outcome outcome, TimePoint began) {
  const auto now = parts_.alarm.now();
  outcome.duration = now - began;
  if (outcome.report) {
    schedule_.succeeded(now);
  } else {
    schedule_.failed(now, parts_.chance());
    outcome.retry_in = schedule_.retry_at() - now;
  }
  outcome.failures = schedule_.failures();
  parts_.observer.finished(outcome);
}

}  // namespace proxy::sync
