#include "proxy/host/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::host {
namespace {

TEST(Process, KnowsItsHost) {
  EXPECT_GE(cpu_count(), 1U);
  EXPECT_FALSE(host_name().empty());
}

TEST(LocalAddresses, HoldTheLoopbackAndNothingOfLinkScopeInIPv6) {
  const auto addresses = local_addresses();
  EXPECT_THAT(addresses, testing::Contains(IpAddress::loopback(Family::v4)));
  for (const auto& address : addresses) {
    EXPECT_FALSE(address.family() == Family::v6 && address.is_link_local()) << address.text();
  }
}

TEST(OomScoreAdj, OutsideItsRangeIsRefusedByTheKernel) {
  EXPECT_FALSE(set_oom_score_adj(5000));
}

}  // namespace
}  // namespace proxy::host
