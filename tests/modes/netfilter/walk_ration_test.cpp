#include "modes/netfilter/walk_ration.hpp"

#include <gtest/gtest.h>

namespace modes::netfilter {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const WalkRation::Time kNow{std::chrono::hours{1}};

TEST(WalkRation, AfterAQuietTimeAFewWalksMayBeMade) {
  EXPECT_EQ(WalkRation{}.left(kNow), WalkRation::kMost);
}

TEST(WalkRation, EachSecondOneMoreMayBeMade) {
  WalkRation ration;
  ration.spend(WalkRation::kMost, kNow);
  EXPECT_EQ(ration.left(kNow), 0U);
  EXPECT_EQ(ration.open_from(), kNow + seconds{1});
  EXPECT_EQ(ration.left(kNow + milliseconds{999}), 0U);
  EXPECT_EQ(ration.left(kNow + seconds{1}), 1U);
  EXPECT_EQ(ration.left(kNow + seconds{3}), 3U);
  EXPECT_EQ(ration.left(kNow + seconds{100}), WalkRation::kMost);
}

TEST(WalkRation, WhatIsSpentBeyondItIsWaitedFor) {
  WalkRation ration;
  ration.spend(WalkRation::kMost + 1, kNow);
  EXPECT_EQ(ration.left(kNow + milliseconds{1500}), 0U);
  EXPECT_EQ(ration.open_from(), kNow + seconds{2});
  EXPECT_EQ(ration.left(ration.open_from()), 1U);
}

TEST(WalkRation, ASteadyWalkPerSecondNeverHasToWait) {
  WalkRation ration;
  ration.spend(WalkRation::kMost, kNow);
  for (auto now = kNow + seconds{1}; now < kNow + seconds{60}; now += seconds{1}) {
    EXPECT_LE(ration.open_from(), now);
    EXPECT_EQ(ration.left(now), 1U);
    ration.spend(1, now);
  }
}

}  // namespace
}  // namespace modes::netfilter
