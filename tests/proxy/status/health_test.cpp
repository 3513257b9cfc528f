#include "proxy/status/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace proxy::status {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// 2026-01-31T12:00:00Z.
constexpr std::chrono::system_clock::time_point kNoon{1769860800s};

Moment after(std::chrono::nanoseconds passed) {
  return {std::chrono::steady_clock::time_point{1h} + passed, kNoon + passed};
}

records::Node tainted(const std::string& key) {
  records::Node node;
  node.name.name = "node-a";
  if (!key.empty()) node.taints = {key};
  return node;
}

void sync(Health& health, Family family, Moment at) {
  health.began(family);
  health.updated(family, at);
}

// The steps of the timeline in the conformance data are sentences; these are the words for them.
class Timeline {
 public:
  void act(const std::string& sentence) {
    const auto has = [&](const char* words) { return sentence.find(words) != std::string::npos; };
    const std::vector<Family> both{kFamilies.begin(), kFamilies.end()};
    auto families = both;
    if (has("IPv4")) families = {Family::v4};
    if (has("IPv6")) families = {Family::v6};
    for (const auto family : families) {
      if (has("start")) sync(health, family, now());
      if (has("queued")) health.queued(family, now());
      if (has("sync") && !has("queued")) sync(health, family, now());
    }
    if (has("25 s")) passed_ += 25s;
    if (has("5 s pass") && !has("25 s")) passed_ += 5s;
  }
  [[nodiscard]] Moment now() const { return after(passed_); }

  Health health{10s, false};

 private:
  std::chrono::seconds passed_{0};
};

TEST(Health, FollowsKubeProxysTimeline) {
  const auto timeline = YAML::LoadFile(VIADUCT_HEALTHCHECK_YAML)["proxyHealth"]["timeline"];
  ASSERT_GT(timeline["events"].size(), 10U);
  Timeline world;
  for (const auto& event : timeline["events"]) {
    const auto sentence = event["do"].as<std::string>();
    world.act(sentence);
    const bool healthy = event["healthy"].as<bool>();
    EXPECT_EQ(world.health.is_healthy(world.now()), healthy) << sentence;
    EXPECT_EQ(world.health.healthz(world.now()).good, healthy) << sentence;
    EXPECT_EQ(world.health.livez(world.now()).good, healthy) << sentence;
    const auto body = YAML::Load(world.health.healthz(world.now()).body);  // JSON is YAML
    for (const auto& family : event["status"]) {
      EXPECT_EQ(body["status"][family.first.as<std::string>()]["healthy"].as<bool>(),
                family.second.as<bool>())
          << sentence;
    }
  }
}

TEST(Health, RecordsOfAnEarlierTimeAreShownAndNoReasonToBeUnhealthy) {
  Health health{1min, false};
  for (const auto family : kFamilies) sync(health, family, after(0s));
  EXPECT_THAT(health.healthz(after(1s)).body, Not(HasSubstr("recordsAsOf")));
  health.records_as_of(kNoon);
  EXPECT_TRUE(health.healthz(after(1s)).good);
  EXPECT_THAT(health.healthz(after(1s)).body,
              HasSubstr("\"recordsAsOf\":\"2026-01-31T12:00:00Z\""));
}

TEST(Health, BeforeTheFirstSyncTheNodeIsNotReadyButAlive) {
  Health health{60s, false};
  health.queued(Family::v4, after(0s));
  EXPECT_FALSE(health.healthz(after(1h)).good);
  EXPECT_TRUE(health.livez(after(1h)).good);
  EXPECT_THAT(health.healthz(after(0s)).body, HasSubstr(R"("lastUpdated":"0001-01-01T00:00:00Z")"));
}

TEST(Health, AChangeThatCameDuringASyncIsNotCoveredByIt) {
  Health health{10s, false};
  sync(health, Family::v4, after(0s));
  health.queued(Family::v4, after(1s));
  health.began(Family::v4);
  health.queued(Family::v4, after(2s));
  health.updated(Family::v4, after(3s));
  EXPECT_TRUE(health.is_healthy(after(11s)));
  EXPECT_FALSE(health.is_healthy(after(12s)));
}

TEST(Health, ASyncThatNeverEndsIsNoticed) {
  Health health{10s, false};
  sync(health, Family::v4, after(0s));
  health.queued(Family::v4, after(1s));
  health.began(Family::v4);
  EXPECT_FALSE(health.is_healthy(after(11s)));
}

TEST(Health, RetriesDoNotRestartTheClock) {
  Health health{10s, false};
  sync(health, Family::v6, after(0s));
  health.queued(Family::v6, after(1s));
  health.began(Family::v6);  // fails
  health.queued(Family::v6, after(9s));
  health.began(Family::v6);
  EXPECT_FALSE(health.is_healthy(after(11s)));
}

TEST(Health, AWallClockThatIsSetMakesNobodyIll) {
  Health health{10s, false};
  sync(health, Family::v4, after(0s));
  health.queued(Family::v4, after(1s));
  for (const auto jump : {-24h * 365, 24h * 365}) {
    auto now = after(5s);
    now.wall += jump;
    EXPECT_TRUE(health.is_healthy(now));
    now.steady += 10s;
    EXPECT_FALSE(health.is_healthy(now));
  }
}

TEST(Health, ShowsKubeProxysMembers) {
  Health health{10s, false};
  sync(health, Family::v4, after(0s));
  EXPECT_EQ(health.healthz(after(1500ms)).body,
            R"({"lastUpdated":"2026-01-31T12:00:01.5Z","currentTime":"2026-01-31T12:00:01.5Z",)"
            R"("healthy":true,"nodeEligible":true,)"
            R"("status":{"IPv4":{"lastUpdated":"2026-01-31T12:00:00Z","healthy":true}}})");
  EXPECT_THAT(health.livez(after(1s)).body, Not(HasSubstr("nodeEligible")));
}

TEST(NodeEligibility, FollowsTheTaintOfTheAutoscalerAndDeletion) {
  Health health{10s, true};
  sync(health, Family::v4, after(0s));
  const auto eligible_after = [&](const records::Node& node) {
    health.node_seen(node);
    EXPECT_TRUE(health.livez(after(1s)).good);
    EXPECT_EQ(health.healthz(after(1s)).good, health.node_eligible());
    EXPECT_THAT(health.healthz(after(1s)).body, HasSubstr(R"("healthy":true)"));
    return health.node_eligible();
  };
  EXPECT_TRUE(eligible_after(tainted("")));
  EXPECT_TRUE(eligible_after(tainted("other")));
  EXPECT_FALSE(eligible_after(tainted("ToBeDeletedByClusterAutoscaler")));
  EXPECT_TRUE(eligible_after(tainted("other")));
  auto dying = tainted("");
  dying.being_deleted = true;
  EXPECT_FALSE(eligible_after(dying));
}

TEST(NodeEligibility, OfANodeNeverSeenDependsOnTheSource) {
  Health with_api{10s, true};
  sync(with_api, Family::v4, after(0s));
  EXPECT_FALSE(with_api.healthz(after(1s)).good);
  EXPECT_TRUE(with_api.livez(after(1s)).good);
  Health with_manifests{10s, false};
  sync(with_manifests, Family::v4, after(0s));
  EXPECT_TRUE(with_manifests.healthz(after(1s)).good);
}

TEST(Rfc3339, HasNoTrailingZeros) {
  EXPECT_EQ(rfc3339(kNoon), "2026-01-31T12:00:00Z");
  EXPECT_EQ(rfc3339(kNoon + 120ms), "2026-01-31T12:00:00.12Z");
  EXPECT_EQ(rfc3339(kNoon + 1ns), "2026-01-31T12:00:00.000000001Z");
}

}  // namespace
}  // namespace proxy::status
