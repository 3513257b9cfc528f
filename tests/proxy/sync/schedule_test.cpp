#include "proxy/sync/schedule.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <random>

namespace proxy::sync {

void PrintTo(const Step& step, std::ostream* out) {
  if (step.cause) {
    *out << to_string(*step.cause);
  } else {
    *out << "wait until " << step.until.time_since_epoch().count() << " ns";
  }
}

namespace {

using namespace std::chrono_literals;

// A schedule and its clock, which starts an hour after the epoch.
class Scenario {
 public:
  explicit Scenario(const Policy& policy = {}) : schedule{policy, now} {}

  Step next() const { return schedule.next(now); }
  void pass(Duration time) { now += time; }

  // Does what is due, which must be for `cause` and takes `cost`.
  void perform(Cause cause, Duration cost = 2ms) {
    ASSERT_EQ(next(), Step{cause});
    schedule.began(cause, now);
    pass(cost);
    schedule.succeeded(now);
  }
  void perform_and_fail(Cause cause, double chance = 0, Duration cost = 0ms) {
    ASSERT_EQ(next(), Step{cause});
    schedule.began(cause, now);
    pass(cost);
    schedule.failed(now, chance);
  }
  // How long until something is due.
  Duration wait() const {
    const auto step = next();
    return step.cause ? Duration{0} : step.until - now;
  }

  TimePoint now{1h};
  Schedule schedule;
};

Scenario started(const Policy& policy = {}) {
  Scenario scenario{policy};
  scenario.schedule.records_are_complete();
  scenario.perform(Cause::start);
  return scenario;
}

TEST(Schedule, NothingHappensBeforeTheFirstFullRecords) {
  Scenario scenario;
  scenario.schedule.changed();
  scenario.schedule.outside_change();
  EXPECT_EQ(scenario.next(), Step{});
}

TEST(Schedule, TheFirstReconcileBeginsAsSoonAsRecordsAreComplete) {
  Scenario scenario;
  scenario.schedule.records_are_complete();
  EXPECT_EQ(scenario.next(), Step{Cause::start});
}

TEST(Schedule, ALoneChangeIsWrittenAtOnce) {
  auto scenario = started();
  for (int i = 0; i < 100; ++i) {
    scenario.pass(1s);
    scenario.schedule.changed();
    if (scenario.next().cause == Cause::period) scenario.perform(Cause::period);
    scenario.schedule.changed();
    scenario.perform(Cause::change, 200ms);
  }
}

TEST(Schedule, ABurstOfChangesIsWrittenAtOnceUntilTheBudgetIsSpent) {
  auto scenario = started();
  for (int i = 0; i < 10; ++i) {
    scenario.schedule.changed();
    scenario.perform(Cause::change, 100ms);
  }
  // A second spent, a quarter of a second came in; three more and it is overdrawn.
  for (int i = 0; i < 4; ++i) {
    scenario.schedule.changed();
    scenario.perform(Cause::change, 100ms);
  }
  scenario.schedule.changed();
  EXPECT_GT(scenario.wait(), 0ms);
  EXPECT_LE(scenario.wait(), 400ms);
}

TEST(Schedule, UnderConstantChangeTheShareOfTimeIsBounded) {
  auto scenario = started({.period = 24h, .min_period = 10s});
  Duration busy{0};
  const auto begin = scenario.now;
  while (scenario.now < begin + 10min) {
    scenario.schedule.changed();
    scenario.pass(scenario.wait());
    scenario.perform(Cause::change, 95ms);
    busy += 95ms;
  }
  EXPECT_LE(busy, Duration{10min} / 4 + 2s);
  EXPECT_GE(busy, Duration{10min} / 5);
}

TEST(Schedule, CheapSyncsAreNotHeldBackUnderConstantChange) {
  auto scenario = started({.period = 24h});
  for (int i = 0; i < 6000; ++i) {  // a minute of a hundred changes a second
    scenario.pass(8ms);
    scenario.schedule.changed();
    scenario.perform(Cause::change, 2ms);
  }
}

TEST(Schedule, NoChangeIsHeldBackLongerThanTheMinimumPeriod) {
  auto scenario = started({.period = 24h, .min_period = 1s});
  for (int i = 0; i < 20; ++i) {
    scenario.schedule.changed();
    EXPECT_LE(scenario.wait(), 1s);
    scenario.pass(scenario.wait());
    scenario.perform(Cause::change, 5s);
  }
}

TEST(Schedule, AMinimumPeriodOfZeroHoldsNothingBack) {
  auto scenario = started({.period = 24h, .min_period = 0s});
  for (int i = 0; i < 20; ++i) {
    scenario.schedule.changed();
    scenario.perform(Cause::change, 5s);
  }
}

TEST(Schedule, ChangesDuringASyncWaitForTheNextOne) {
  auto scenario = started();
  scenario.schedule.changed();
  ASSERT_EQ(scenario.next(), Step{Cause::change});
  scenario.schedule.began(Cause::change, scenario.now);
  scenario.schedule.changed();
  scenario.schedule.changed();
  scenario.schedule.succeeded(scenario.now);
  scenario.perform(Cause::change);
  EXPECT_FALSE(scenario.next().cause);
}

TEST(Schedule, ReconcilesOncePerPeriodWhateverChanges) {
  auto scenario = started();
  scenario.pass(29s);
  scenario.schedule.changed();
  scenario.perform(Cause::change);
  EXPECT_EQ(scenario.wait(), 1s - 2ms);
  scenario.pass(1s);
  scenario.perform(Cause::period);
  EXPECT_EQ(scenario.wait(), 30s);
}

TEST(Schedule, ReconcilesMoreSeldomWhereReadingBackIsExpensive) {
  auto scenario = started();
  scenario.pass(scenario.wait());
  scenario.perform(Cause::period, 2s);
  EXPECT_EQ(scenario.wait(), 100s);
}

TEST(Schedule, WhatWritingTookDoesNotPutOffTheNextLook) {
  auto scenario = started();
  scenario.schedule.outside_change();
  scenario.perform(Cause::outside_change, 2s);
  EXPECT_EQ(scenario.wait(), Policy{}.period);
}

TEST(Schedule, AnOutsideChangeIsRepairedAtOnceAndMendsChangesToo) {
  auto scenario = started();
  scenario.schedule.changed();
  scenario.schedule.outside_change();
  scenario.perform(Cause::outside_change);
  EXPECT_FALSE(scenario.next().cause);
}

TEST(Schedule, ChangesThatUsedUpTheirBudgetDoNotDelayARepair) {
  auto scenario = started({.period = 24h});
  for (int i = 0; i < 10; ++i) {
    scenario.schedule.changed();
    scenario.pass(scenario.wait());
    scenario.perform(Cause::change, 1s);
  }
  scenario.schedule.outside_change();
  scenario.perform(Cause::outside_change);
}

TEST(Schedule, AFightWithAnotherProgramIsSlowedDown) {
  auto scenario = started({.period = 24h});
  int repairs = 0;
  const auto begin = scenario.now;
  while (scenario.now < begin + 1min) {
    scenario.schedule.outside_change();
    scenario.pass(scenario.wait());
    scenario.perform(Cause::outside_change, 500ms);
    ++repairs;
  }
  EXPECT_LE(repairs, 45);  // at most a second between two, not one after the other
}

TEST(Schedule, AnOutsideChangeDuringARepairIsRepairedNext) {
  auto scenario = started();
  scenario.schedule.outside_change();
  scenario.schedule.began(Cause::outside_change, scenario.now);
  scenario.schedule.outside_change();
  scenario.schedule.succeeded(scenario.now);
  scenario.perform(Cause::outside_change);
}

TEST(Schedule, AfterAFailureOnlyAReconcileFollowsAndItWaits) {
  auto scenario = started();
  scenario.schedule.changed();
  scenario.perform_and_fail(Cause::change);
  scenario.schedule.changed();
  scenario.schedule.outside_change();
  EXPECT_EQ(scenario.wait(), 50ms);
  scenario.pass(50ms);
  scenario.perform(Cause::retry);
  EXPECT_FALSE(scenario.next().cause);
}

TEST(Schedule, TheBackOffDoublesUpToItsLimitAndStartsOverAfterASuccess) {
  auto scenario = started();
  scenario.schedule.changed();
  scenario.perform_and_fail(Cause::change);
  Duration before{0};
  for (int i = 0; i < 40; ++i) {
    EXPECT_GE(scenario.wait(), before);
    EXPECT_LE(scenario.wait(), 15s);
    before = scenario.wait();
    scenario.pass(scenario.wait());
    scenario.perform_and_fail(Cause::retry);
  }
  EXPECT_EQ(before, 15s);
  scenario.pass(scenario.wait());
  scenario.perform(Cause::retry);
  scenario.schedule.changed();
  scenario.perform_and_fail(Cause::change);
  EXPECT_EQ(scenario.wait(), 50ms);
}

TEST(Schedule, JitterSpreadsARetryOverTheSecondHalfOfItsDelay) {
  auto early = started();
  early.schedule.changed();
  early.perform_and_fail(Cause::change, 0.0);
  EXPECT_EQ(early.wait(), 50ms);
  auto late = started();
  late.schedule.changed();
  late.perform_and_fail(Cause::change, 0.5);
  EXPECT_EQ(late.wait(), 75ms);
}

TEST(Schedule, AFailedFirstReconcileIsRetriedAsOne) {
  Scenario scenario;
  scenario.schedule.records_are_complete();
  scenario.perform_and_fail(Cause::start);
  scenario.pass(scenario.wait());
  scenario.perform(Cause::retry);
  scenario.schedule.changed();
  scenario.perform(Cause::change);
}

// Whatever happens in whatever order, what was changed is written or still going to be.
TEST(Schedule, NoChangeIsEverForgotten) {
  std::mt19937 random{3};
  Scenario scenario{{.period = 24h}};
  scenario.schedule.records_are_complete();
  bool unwritten = true;
  for (int i = 0; i < 20000; ++i) {
    scenario.pass(std::chrono::milliseconds{random() % 50});
    if (random() % 3 == 0) {
      scenario.schedule.changed();
      unwritten = true;
    }
    if (random() % 7 == 0) scenario.schedule.outside_change();
    const auto step = scenario.next();
    if (unwritten) {
      ASSERT_TRUE(step.cause || step.until < scenario.now + 31s);
    }
    if (!step.cause) continue;
    scenario.schedule.began(*step.cause, scenario.now);
    scenario.pass(std::chrono::milliseconds{random() % 100});
    const bool changed_meanwhile = random() % 4 == 0;
    if (changed_meanwhile) scenario.schedule.changed();
    if (random() % 5 == 0) {
      scenario.schedule.failed(scenario.now, 0.3);
      unwritten = true;
    } else {
      scenario.schedule.succeeded(scenario.now);
      unwritten = changed_meanwhile;
    }
  }
}

}  // namespace
}  // namespace proxy::sync
