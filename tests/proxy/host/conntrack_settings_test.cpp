#include "proxy/host/conntrack_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace proxy::host {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
namespace fs = std::filesystem;

constexpr auto kMax = "proc/sys/net/netfilter/nf_conntrack_max";
constexpr auto kHash = "sys/module/nf_conntrack/parameters/hashsize";
constexpr auto kEstablished = "proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established";

// The limit that is set for these flags; 0 if none is.
std::int64_t limit(std::int32_t per_core, std::int32_t min, unsigned cpus) {
  for (const auto& setting : conntrack_settings({.max_per_core = per_core, .min = min}, cpus)) {
    if (setting.path == kMax) return setting.value;
  }
  return 0;
}

TEST(ConntrackSettings, LimitFollowsTheCpusBetweenTheMinimumAndAMillion) {
  EXPECT_EQ(limit(32768, 131072, 2), 131072);
  EXPECT_EQ(limit(32768, 131072, 8), 262144);
  EXPECT_EQ(limit(32768, 131072, 64), 1048576);
  EXPECT_EQ(limit(32768, 2000000, 2), 2000000);
  EXPECT_EQ(limit(32768, 2000000, 64), 1048576);
  EXPECT_EQ(limit(0, 131072, 8), 0);
}

TEST(ConntrackSettings, WithDefaultsAreKubeProxys) {
  EXPECT_THAT(
      conntrack_settings({}, 2),
      ElementsAre(Setting{kMax, 131072}, Setting{kHash, 32768, Keep::larger},
                  Setting{kEstablished, 86400},
                  Setting{"proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait", 3600}));
}

TEST(ConntrackSettings, LeaveAloneWhatIsZero) {
  EXPECT_THAT(
      conntrack_settings(
          {.max_per_core = 0, .tcp_established_timeout = 0s, .tcp_close_wait_timeout = 0s}, 4),
      IsEmpty());
}

TEST(ConntrackSettings, TakeUdpTimeoutsAndLiberalTrackingWhenAsked) {
  const config::Conntrack wanted{.max_per_core = 0,
                                 .tcp_established_timeout = 0s,
                                 .tcp_close_wait_timeout = 0s,
                                 .udp_timeout = 45s,
                                 .udp_stream_timeout = 2min,
                                 .tcp_be_liberal = true};
  EXPECT_THAT(conntrack_settings(wanted, 1),
              ElementsAre(Setting{"proc/sys/net/netfilter/nf_conntrack_udp_timeout", 45},
                          Setting{"proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream", 120},
                          Setting{"proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", 1}));
}

class ApplySettings : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "viaduct-sysctl-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }
  void put(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream{root_ / path} << text;
  }
  [[nodiscard]] std::int64_t value(const std::string& path) const {
    std::int64_t number = -1;
    std::ifstream{root_ / path} >> number;
    return number;
  }

  fs::path root_;
};

TEST_F(ApplySettings, WritesWhatDiffers) {
  put(kMax, "65536\n");
  EXPECT_THAT(apply({{kMax, 131072}}, root_), IsEmpty());
  EXPECT_EQ(value(kMax), 131072);
}

TEST_F(ApplySettings, WritesNothingThatIsRightAlready) {
  put(kMax, "131072\n");
  put(kHash, "99999\n");
  const auto before = fs::last_write_time(root_ / kMax);
  EXPECT_THAT(apply({{kMax, 131072}, {kHash, 32768, Keep::larger}}, root_), IsEmpty());
  EXPECT_EQ(fs::last_write_time(root_ / kMax), before);
  EXPECT_EQ(value(kHash), 99999);
}

TEST_F(ApplySettings, NamesWhatIsMissingAndGoesOn) {
  put(kEstablished, "1\n");
  const auto failures = apply({{kMax, 131072}, {kEstablished, 86400}}, root_);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].code, std::errc::no_such_file_or_directory);
  EXPECT_EQ(value(kEstablished), 86400);
}

}  // namespace
}  // namespace proxy::host
