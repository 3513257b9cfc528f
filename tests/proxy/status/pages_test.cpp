#include "proxy/status/pages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::status {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

// Of a page that answers at once.
HttpReply reply_of(const HttpHandler& handler, const HttpRequest& request) {
  HttpReply out;
  handler(request, [&](HttpReply reply) { out = std::move(reply); });
  return out;
}

class HealthPages : public testing::Test {
 protected:
  HttpReply get(const std::string& path) {
    return reply_of(handler_, {.method = "GET", .path = path});
  }

  Health health_{60s, false};
  Metrics metrics_{"1", "none"};
  bool ready_ = false;
  HttpHandler handler_ = handler_for(health_pages(health_, metrics_, [this] { return ready_; }));
};

TEST_F(HealthPages, SayReadyOnceThereIsAFullListOfRecords) {
  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_EQ(get("/ready").status, 503U);
  ready_ = true;
  EXPECT_EQ(get("/readyz").status, 200U);
  EXPECT_EQ(get("/ready").status, 200U);
}

TEST_F(HealthPages, ReadinessWaitsForTheFirstSyncLivenessDoesNot) {
  EXPECT_EQ(get("/healthz").status, 503U);
  EXPECT_EQ(get("/livez").status, 200U);
  health_.updated(Family::v4, Moment::now());
  EXPECT_EQ(get("/healthz").status, 200U);
}

TEST_F(HealthPages, AreJsonThatBrowsersDoNotGuessAt) {
  const auto reply = get("/healthz");
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_THAT(reply.headers, Contains(Pair("X-Content-Type-Options", "nosniff")));
}

TEST_F(HealthPages, CountTheirAnswersByCode) {
  (void)get("/healthz");
  (void)get("/livez");
  (void)get("/livez");
  const auto text = metrics_.text({});
  EXPECT_THAT(text, HasSubstr("kubeproxy_proxy_healthz_total{code=\"503\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("kubeproxy_proxy_livez_total{code=\"200\"} 2\n"));
}

TEST_F(HealthPages, HaveNoOtherPathsOrMethods) {
  EXPECT_EQ(get("/").status, 404U);
  EXPECT_EQ(get("/healthz/").status, 404U);
  EXPECT_EQ(reply_of(handler_, {.method = "POST", .path = "/healthz"}).status, 405U);
  EXPECT_EQ(reply_of(handler_, {.method = "HEAD", .path = "/livez"}).status, 200U);
}

TEST(MetricsPages, AreMetricsModeConfigurationAndOk) {
  const auto handler = handler_for(
      metrics_pages({.mode = "iptables",
                     .configz = R"({"a":1})",
                     .metrics = [] { return "x 1\n"; },
                     .status = [](const ServiceQuery& query,
                                  const auto& reply) { reply("{\"" + query.filter + "\":1}"); }}));
  const auto get = [&](const std::string& path) {
    return reply_of(handler, {.method = "GET", .path = path});
  };
  EXPECT_EQ(get("/metrics/slis").body, "");
  EXPECT_EQ(get("/healthz").body, "ok");
  EXPECT_THAT(get("/metrics/slis").body,
              HasSubstr("kubernetes_healthchecks_total{name=\"ping\",status=\"success\","
                        "type=\"healthz\"} 1\n"));
  EXPECT_EQ(get("/configz").body, R"({"a":1})");
  EXPECT_EQ(get("/configz").content_type, "application/json");
  EXPECT_EQ(get("/proxyMode").body, "iptables");
  EXPECT_EQ(get("/metrics").body, "x 1\n");
  EXPECT_THAT(get("/status").content_type, HasSubstr("text/html"));
  EXPECT_EQ(get("/status.json").content_type, "application/json");
  EXPECT_EQ(
      reply_of(handler, {.method = "GET", .path = "/status.json", .query = "filter=a%22"}).body,
      R"({"a"":1})");
  EXPECT_THAT(get("/metrics").content_type, HasSubstr("version=0.0.4"));
}

}  // namespace
}  // namespace proxy::status
