// What is asked next, and when.
#include "proxy/sources/kubernetes/course.hpp"

#include <gtest/gtest.h>

namespace proxy::sources::kubernetes {
namespace {

using namespace std::chrono_literals;

constexpr double kNoChance = 0;

Outcome end(End how, bool progress = false) {
  return {.end = how, .progress = progress, .retry_after = {}};
}

class CourseTest : public testing::Test {
 protected:
  Course course{Pace{}};
};

TEST_F(CourseTest, BeginsWithAStreamingListOfTheNewest) {
  EXPECT_EQ(course.ask(), Ask::stream);
  EXPECT_EQ(course.version(), "");
}

TEST_F(CourseTest, WatchesFromTheLastVersionSeen) {
  course.listed("5");
  course.seen("9");
  EXPECT_EQ(course.ended(end(End::closed, true), kNoChance), 0s);
  EXPECT_EQ(course.ask(), Ask::watch);
  EXPECT_EQ(course.version(), "9");
}

TEST_F(CourseTest, ListsInPagesWhereStreamsAreRefusedAndNeverAsksForOneAgain) {
  EXPECT_EQ(course.ended(end(End::unable), kNoChance), 0s);
  EXPECT_EQ(course.ask(), Ask::list);
  EXPECT_TRUE(course.pages());
  course.listed("5");
  (void)course.ended(end(End::expired), kNoChance);
  EXPECT_EQ(course.ask(), Ask::list);
}

TEST_F(CourseTest, AfterAnExpiredVersionListsWhatIsNotOlderAfterAWhileOfChance) {
  course.listed("5");
  EXPECT_EQ(course.ended(end(End::expired, true), 0.5), 1s);  // half of the spread
  EXPECT_EQ(course.ask(), Ask::stream);
  EXPECT_EQ(course.version(), "5");
  // Not even that: the newest.
  EXPECT_GT(course.ended(end(End::expired), kNoChance), -1s);
  EXPECT_EQ(course.version(), "");
}

TEST_F(CourseTest, AnExpiredTokenMeansTheWholeListInOnePiece) {
  (void)course.ended(end(End::unable), kNoChance);
  (void)course.ended(end(End::expired), kNoChance);
  EXPECT_EQ(course.ask(), Ask::list);
  EXPECT_FALSE(course.pages());
  course.listed("7");
  EXPECT_TRUE(course.pages()) << "the next time";
}

TEST_F(CourseTest, BacksOffTwiceAsLongEachTimeUpToALimitAndWithChance) {
  EXPECT_EQ(course.ended(end(End::lost), kNoChance), 100ms);
  EXPECT_EQ(course.ended(end(End::lost), 0.5), 300ms);
  EXPECT_EQ(course.ended(end(End::denied), kNoChance), 400ms);
  for (int i = 0; i < 100; ++i) (void)course.ended(end(End::lost), kNoChance);
  EXPECT_EQ(course.ended(end(End::lost), kNoChance), 10s);
  EXPECT_EQ(course.ended(end(End::lost, true), kNoChance), 100ms) << "progress begins anew";
}

TEST_F(CourseTest, ObeysRetryAfterWithinReason) {
  EXPECT_GE(course.ended({End::busy, false, 7s}, kNoChance), 7s);
  EXPECT_LE(course.ended({End::busy, false, 1000h}, kNoChance), 6min);
  EXPECT_GT(course.ended(end(End::busy), kNoChance), 0s);
}

TEST_F(CourseTest, AWatchThatIsRefusedAgainAndAgainIsGivenUpForTheNewestList) {
  course.listed("99999");
  (void)course.ended(end(End::failed), kNoChance);
  (void)course.ended(end(End::failed), kNoChance);
  EXPECT_EQ(course.ask(), Ask::watch);
  (void)course.ended(end(End::failed), kNoChance);
  EXPECT_EQ(course.ask(), Ask::stream);
  EXPECT_EQ(course.version(), "");
}

TEST_F(CourseTest, AStreamingListThatBreaksTwiceIsGivenUpForPagesOnce) {
  for (const auto how : {End::lost, End::failed}) {
    EXPECT_EQ(course.ask(), Ask::stream);
    (void)course.ended(end(how), kNoChance);
  }
  EXPECT_EQ(course.ask(), Ask::list);
  course.listed("5");
  (void)course.ended(end(End::expired), kNoChance);
  EXPECT_EQ(course.ask(), Ask::stream);
}

TEST_F(CourseTest, AWatchThatEndsAtOnceWithoutAWordIsNoBusyLoop) {
  course.listed("5");
  EXPECT_GT(course.ended(end(End::closed), kNoChance), 0s);
}

TEST_F(CourseTest, AServerThatIsAwayForgetsNothing) {
  course.listed("5");
  for (int i = 0; i < 50; ++i) (void)course.ended(end(End::lost), kNoChance);
  EXPECT_EQ(course.ask(), Ask::watch);
  EXPECT_EQ(course.version(), "5");
}

}  // namespace
}  // namespace proxy::sources::kubernetes
