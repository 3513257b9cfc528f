#include "dns/serve/rate_limit.hpp"

#include <gtest/gtest.h>

namespace dns::serve {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
const auto kClient = *proxy::parse_ip("198.51.100.7");

int sent(RateLimit& limit, const proxy::IpAddress& client, std::int64_t now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) {
    count += limit.check(client, now) == RateLimit::Verdict::send ? 1 : 0;
  }
  return count;
}

TEST(RateLimit, LetsABurstPassAndThenTheRate) {
  RateLimit limit{100, 1};
  EXPECT_EQ(sent(limit, kClient, kSecond, 1000), 100);
  EXPECT_EQ(sent(limit, kClient, kSecond + kSecond / 10, 1000), 10);
  EXPECT_EQ(sent(limit, kClient, 10 * kSecond, 1000), 100);
}

TEST(RateLimit, HoldsForANetworkAndNotForOthers) {
  RateLimit limit{100, 1};
  EXPECT_EQ(sent(limit, kClient, kSecond, 1000), 100);
  EXPECT_EQ(sent(limit, *proxy::parse_ip("198.51.100.250"), kSecond, 10), 0);
  EXPECT_EQ(sent(limit, *proxy::parse_ip("198.51.101.7"), kSecond, 10), 10);
  EXPECT_EQ(sent(limit, *proxy::parse_ip("2001:db8::1"), kSecond, 1000), 100);
  EXPECT_EQ(sent(limit, *proxy::parse_ip("2001:db8:0:ff::1"), kSecond, 10), 0);
}

TEST(RateLimit, EverySecondReplyOverTheLimitAsksToComeByTcp) {
  RateLimit limit{1, 1};
  (void)limit.check(kClient, kSecond);
  EXPECT_EQ(limit.check(kClient, kSecond), RateLimit::Verdict::drop);
  EXPECT_EQ(limit.check(kClient, kSecond), RateLimit::Verdict::slip);
  EXPECT_EQ(limit.check(kClient, kSecond), RateLimit::Verdict::drop);
}

TEST(RateLimit, ZeroIsNoLimit) {
  RateLimit limit{0, 1};
  EXPECT_EQ(sent(limit, kClient, 0, 100'000), 100'000);
}

}  // namespace
}  // namespace dns::serve
