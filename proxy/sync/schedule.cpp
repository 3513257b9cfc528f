#include "proxy/sync/schedule.hpp"

#include <algorithm>
#include <string_view>

namespace proxy::sync {
namespace {

using namespace std::chrono_literals;

// Syncs may take a quarter of one CPU, and a second in one go.
constexpr Duration kBudgetLimit = 1s;
constexpr int kBudgetInverseShare = 4;

// A periodic reconcile reads everything back; it may take 1/50 of one CPU.
constexpr int kReconcileInverseShare = 50;

}  // namespace

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::start:
      return "start";
    case Cause::change:
      return "change";
    case Cause::retry:
      return "retry";
    case Cause::outside_change:
      return "outside change";
    case Cause::period:
      return "period";
  }
  return {};
}

Schedule::Schedule(const Policy& policy, TimePoint now)
    : policy_{policy},
      began_{now},
      ended_{now},
      reconciled_{now},
      change_budget_{kBudgetLimit, kBudgetInverseShare, now},
      repair_budget_{kBudgetLimit, kBudgetInverseShare, now} {}

TimePoint Schedule::periodic_at() const {
  return reconciled_ + std::max(policy_.period, look_cost_ * kReconcileInverseShare);
}

Step Schedule::next(TimePoint now) const {
  if (!complete_) return {};
  if (failures_ > 0) {
    return now >= retry_at_ ? Step{Cause::retry} : Step{std::nullopt, retry_at_};
  }
  if (!started_) return {Cause::start};

  Step step{std::nullopt, periodic_at()};
  const auto consider = [&](Cause cause, TimePoint at) {
    if (step.cause) return;
    if (now >= at) {
      step = {cause};
    } else {
      step.until = std::min(step.until, at);
    }
  };
  if (outside_) {
    consider(Cause::outside_change, repair_budget_.ready_at(ended_, policy_.min_period));
  }
  // A repair mends changes too, and a sync before it would work on a kernel that is not as we
  // believe: while a repair waits for its budget, changes wait with it.
  if (changed_ && !outside_) {
    consider(Cause::change, change_budget_.ready_at(ended_, policy_.min_period));
  }
  consider(Cause::period, periodic_at());
  return step;
}

void Schedule::began(Cause cause, TimePoint now) {
  running_ = cause;
  began_ = now;
  changed_ = false;
  if (is_reconcile(cause)) outside_ = false;
}

void Schedule::succeeded(TimePoint now) {
  const auto cost = now - began_;
  ended_ = now;
  failures_ = 0;
  if (is_reconcile(running_)) {
    started_ = true;
    reconciled_ = now;
    // Others had to write, which says nothing of what looking costs.
    if (running_ == Cause::period) look_cost_ = cost;
  }
  if (running_ == Cause::change) change_budget_.spend(cost, now);
  if (running_ == Cause::outside_change) repair_budget_.spend(cost, now);
}

void Schedule::failed(TimePoint now, double chance) {
  ended_ = now;
  constexpr int kEnoughDoublings = 20;  // beyond any sensible limit, far from an overflow
  const auto doubled = policy_.first_retry * (1 << std::min(failures_, kEnoughDoublings));
  const auto delay = std::min(doubled, policy_.longest_retry);
  retry_at_ = now + delay / 2 +
              Duration{static_cast<Duration::rep>(static_cast<double>(delay.count()) / 2 * chance)};
  ++failures_;
}

}  // namespace proxy::sync
