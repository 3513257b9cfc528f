// A smoke of the modes that the host's own kernel has as well, on a distribution's stock kernel:
// its modules are loaded when they are needed.
#include "tests/netns/http.hpp"
#include "tests/netns/patience.hpp"
#include "tests/netns/web_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <ctime>

namespace netns {
namespace {

using testing::HasSubstr;

class StockKernel : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
  }
};

class StockKernelMode : public StockKernel, public testing::WithParamInterface<const char*> {};

TEST_P(StockKernelMode, ForwardsFollowsAChangeAndCleansUp) {
  DaemonLab lab{usual_settings(), GetParam()};
  lab.apply(kWebService);
  lab.start();
  lab.settle();
  for (const auto& flow : kWebFlows) EXPECT_EQ(lab.wrong(flow), "");
  lab.remove({"EndpointSlice", "ns1", "web-4"});
  lab.settle();
  EXPECT_EQ(lab.wrong("from: 10.180.0.100, to: 172.30.0.41, port: 80, protocol: TCP, "
                      "expect: REJECT"),
            "");
  EXPECT_EQ(lab.daemon().stop(SIGTERM), 0) << lab.daemon().process().output();
  EXPECT_EQ(run_viaduct(lab.node(), {"cleanup"}).status, 0);
}

INSTANTIATE_TEST_SUITE_P(Modes, StockKernelMode,
                         testing::Values("iptables", "userspace", "userspace-transparent"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_F(StockKernel, TheDnsServesAlone) {
  DaemonLab lab{usual_settings(), "none"};
  lab.set_flags({"--dns-bind-address=127.0.0.53:53"});
  lab.apply(kWebService);
  lab.start();
  const auto ask = [&](const char* type) {
    return run_or_fail(lab.node().net,
                       {"dig", "+short", "@127.0.0.53", "web.ns1.svc.cluster.local", type});
  };
  EXPECT_EQ(ask("A"), "172.30.0.41\n") << lab.daemon().process().output();
  EXPECT_EQ(ask("AAAA"), "fd00:172:30::41\n");
}

// The time of day jumps; only a machine of our own may have it changed.
class ClockJump : public StockKernel, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr std::time_t kDay = 24 * 3600;

  void SetUp() override {
    StockKernel::SetUp();
    if (std::getenv("VIADUCT_IN_VM") == nullptr) GTEST_SKIP() << "the time of day here is not ours";
  }
  void TearDown() override { jump(-jumped_); }

  void jump(std::time_t seconds) {
    timespec now{};
    ASSERT_EQ(::clock_gettime(CLOCK_REALTIME, &now), 0);
    now.tv_sec += seconds;
    ASSERT_EQ(::clock_settime(CLOCK_REALTIME, &now), 0);
    jumped_ += seconds;
  }

 private:
  std::time_t jumped_ = 0;
};

TEST_P(ClockJump, ByADayDelaysNoChangeAndCutsNothing) {
  DaemonLab lab{usual_settings(), GetParam()};
  lab.set_flags({"--dns-bind-address=127.0.0.53:53", "--dns-upstream=none"});
  lab.apply(kWebService);
  lab.start();
  lab.settle();
  const auto healthy = [&] {
    return http_get(lab.node().net, {IpAddress::loopback(Family::v4), Port{10256}}, "/healthz")
        .text;
  };
  const auto names = [&] {
    return run_or_fail(lab.node().net,
                       {"dig", "+short", "@127.0.0.53", "web.ns1.svc.cluster.local", "A"});
  };
  for (const auto seconds : {kDay, -2 * kDay}) {
    SCOPED_TRACE(seconds);
    jump(seconds);
    lab.remove({"Service", "ns1", "web"});
    lab.settle();
    EXPECT_EQ(names(), "");
    lab.apply(kWebService);
    lab.settle();
    for (const auto& flow : kWebFlows) EXPECT_EQ(lab.wrong(flow), "");
    EXPECT_EQ(names(), "172.30.0.41\n");
    EXPECT_THAT(healthy(), HasSubstr("200 OK"));
  }
  EXPECT_EQ(lab.daemon().stop(SIGTERM), 0) << lab.daemon().process().output();
}

INSTANTIATE_TEST_SUITE_P(Modes, ClockJump, testing::Values("iptables", "ipvs", "userspace"),
                         [](const auto& tested) { return std::string{tested.param}; });

}  // namespace
}  // namespace netns
