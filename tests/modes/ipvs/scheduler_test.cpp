#include "modes/ipvs/scheduler.hpp"

#include <gmock/gmock.h>

#include <linux/ip_vs.h>

namespace modes::ipvs {
namespace {

using testing::HasSubstr;

TEST(IpvsScheduler, IsRoundRobinWhenNothingIsSaid) {
  EXPECT_EQ(*parse_scheduler(""), Scheduler{});
  EXPECT_EQ(parse_scheduler("")->name, "rr");
}

TEST(IpvsScheduler, IsAnyThatTheKernelHas) {
  for (const auto* name : {"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo",
                           "ovf", "mh", "twos"}) {
    ASSERT_TRUE(parse_scheduler(name)) << name;
    EXPECT_EQ(parse_scheduler(name)->name, name);
  }
}

TEST(IpvsScheduler, HasItsOwnFlags) {
  EXPECT_EQ(parse_scheduler("mh,mh-port,mh-fallback")->flags,
            std::uint32_t{IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED2});
  EXPECT_EQ(parse_scheduler("sh,sh-port")->flags, std::uint32_t{IP_VS_SVC_F_SCHED_SH_PORT});
}

TEST(IpvsScheduler, IsRefusedByNameWhenThereIsNone) {
  for (const auto* text : {"fastest", "RR", " rr", "rr,", "rr,mh-port", "mh,sh-port", "mh,", ","}) {
    const auto parsed = parse_scheduler(text);
    EXPECT_FALSE(parsed) << text;
  }
  EXPECT_THAT(parse_scheduler("fastest").error().text(), HasSubstr("\"fastest\""));
  EXPECT_THAT(parse_scheduler("mh,sh-port").error().text(), HasSubstr("\"sh-port\""));
}

}  // namespace
}  // namespace modes::ipvs
