#include "proxy/sync/programming_latency.hpp"

#include <gtest/gtest.h>

namespace proxy::sync {
namespace {

using namespace std::chrono_literals;

constexpr ProgrammingLatency::Time kStart{1000h};

records::EndpointSlice triggered_at(std::optional<ProgrammingLatency::Time> time) {
  records::EndpointSlice slice;
  slice.family = Family::v6;
  slice.last_change_trigger = time;
  return slice;
}

TEST(ProgrammingLatency, IsFromTheTriggerToTheSyncThatWroteTheChange) {
  ProgrammingLatency latency{kStart};
  latency.changed(triggered_at(kStart + 10s));
  latency.sync_began();
  latency.changed(triggered_at(kStart + 11s));  // comes with the next sync
  const auto samples = latency.sync_succeeded(kStart + 12s);
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_EQ(samples[0].latency, 2s);
  EXPECT_EQ(samples[0].family, Family::v6);
}

TEST(ProgrammingLatency, CountsTheTimeOfFailedSyncs) {
  ProgrammingLatency latency{kStart};
  latency.changed(triggered_at(kStart + 10s));
  latency.sync_began();  // fails
  latency.sync_began();
  EXPECT_EQ(latency.sync_succeeded(kStart + 40s).at(0).latency, 30s);
  EXPECT_TRUE(latency.sync_succeeded(kStart + 41s).empty());
}

TEST(ProgrammingLatency, LeavesOutChangesFromBeforeTheProcessAndThoseWithoutTrigger) {
  ProgrammingLatency latency{kStart};
  latency.changed(triggered_at(kStart - 1s));
  latency.changed(triggered_at(std::nullopt));
  latency.sync_began();
  EXPECT_TRUE(latency.sync_succeeded(kStart + 1s).empty());
}

TEST(ProgrammingLatency, IsNeverNegativeWhateverTheClocksSay) {
  ProgrammingLatency latency{kStart};
  latency.changed(triggered_at(kStart + 10s));
  latency.sync_began();
  EXPECT_EQ(latency.sync_succeeded(kStart + 9s).at(0).latency, 0s);
}

}  // namespace
}  // namespace proxy::sync
