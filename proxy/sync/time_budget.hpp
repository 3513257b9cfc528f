// How much of its time the daemon may spend on syncs: a token bucket whose tokens are time.
//
// Pure. The bucket fills with a fixed share of the time that passes, up to a limit, and each sync
// takes out what it cost. While there is something in it a sync may begin at once, so that a lone
// change never waits; once it is overdrawn the next waits until it is even again, but never longer
// than the caller's limit. What a sync may cost is thus bounded however fast changes come, and
// cheap syncs are never held back (docs/decisions: when to sync).
#pragma once

#include <algorithm>
#include <chrono>

namespace proxy::sync {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

class TimeBudget {
 public:
  // Full at `now`. Of each second that passes 1/`inverse_share` flows in.
  TimeBudget(Duration limit, int inverse_share, TimePoint now)
      : limit_{limit}, inverse_share_{inverse_share}, level_{limit}, filled_{now} {}

  // A sync that ended at `now` took `cost`.
  void spend(Duration cost, TimePoint now) {
    fill(now);
    level_ -= cost;
  }

  // When the next may begin, if the last ended at `last` and none may be held back longer than
  // `longest` after that. In the past when it may begin now.
  [[nodiscard]] TimePoint ready_at(TimePoint last, Duration longest) const {
    if (level_ >= Duration{0}) return last;
    return std::min(last + longest, filled_ + -level_ * inverse_share_);
  }

 private:
  void fill(TimePoint now) {
    level_ = std::min(limit_, level_ + (now - filled_) / inverse_share_);
    filled_ = now;
  }

  Duration limit_;
  int inverse_share_;
  Duration level_;    // below zero: overdrawn
  TimePoint filled_;  // the time that level_ is of
};

}  // namespace proxy::sync
