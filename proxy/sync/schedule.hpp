// Decides when the next sync begins and of which kind. Pure: time and chance come in as parameters.
//
//   changed ───────┐
//   outside change ┼─► next(now) ─► wait until … | sync | reconcile ─► began() ─►
//   succeeded()/failed() time passes ───┘
//
// Rules, strongest first:
//  - nothing begins before the first full set of records is there, then a reconcile begins at once;
//  - after a failure only a reconcile, after a back-off that doubles up to a limit, with jitter;
//  - somebody else changed what is ours: a reconcile at once, slowed only by its own budget, so
//  that
//    a program that fights us cannot eat a core;
//  - changes: a sync at once unless the budget is overdrawn, then at most min_period after the
//  last;
//  - a reconcile once a period, more seldom where reading back is expensive.
#pragma once

#include "proxy/sync/time_budget.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace proxy::sync {

struct Policy {
  Duration period = std::chrono::seconds{30};     // between reconciles that find nothing to do
  Duration min_period = std::chrono::seconds{1};  // longest hold-back of changes; 0: none
  Duration first_retry = std::chrono::milliseconds{100};
  Duration longest_retry = std::chrono::seconds{30};

  friend bool operator==(const Policy&, const Policy&) = default;
};

// Why something is done; what kind follows from it: all but `change` are reconciles.
enum class Cause : std::uint8_t { start, change, retry, outside_change, period };
[[nodiscard]] std::string_view to_string(Cause cause);
[[nodiscard]] constexpr bool is_reconcile(Cause cause) {
  return cause != Cause::change;
}

// What to do now: begin for `cause`, or if there is none, ask again at `until` or when something
// happens.
struct Step {
  std::optional<Cause> cause;
  TimePoint until = TimePoint::max();

  friend bool operator==(const Step&, const Step&) = default;
};

class Schedule {
 public:
  Schedule(const Policy& policy, TimePoint now);

  void records_are_complete() { complete_ = true; }
  void changed() { changed_ = true; }
  void outside_change() { outside_ = true; }

  [[nodiscard]] Step next(TimePoint now) const;

  // The step's sync or reconcile begins. What happens from here on is for the one after it.
  void began(Cause cause, TimePoint now);
  // It ended. `chance` in [0, 1) spreads retries of many nodes.
  void succeeded(TimePoint now);
  void failed(TimePoint now, double chance);

  // Consecutive failures up to now.
  [[nodiscard]] int failures() const { return failures_; }
  // When the next retry may begin; requires failures() > 0.
  [[nodiscard]] TimePoint retry_at() const { return retry_at_; }

 private:
  [[nodiscard]] TimePoint periodic_at() const;

  Policy policy_;
  bool complete_ = false;
  bool started_ = false;  // a reconcile has succeeded
  bool changed_ = false;
  bool outside_ = false;
  int failures_ = 0;
  TimePoint retry_at_;

  Cause running_ = Cause::start;
  TimePoint began_;
  TimePoint ended_;        // of the last, whether it succeeded or not
  TimePoint reconciled_;   // end of the last reconcile that succeeded
  Duration look_cost_{0};  // of the last periodic one
  TimeBudget change_budget_;
  TimeBudget repair_budget_;
};

}  // namespace proxy::sync
