#include "proxy/status/reporter.hpp"

#include "proxy/status/status_document.hpp"
#include "tests/fakes/fake_log.hpp"
#include "tests/fakes/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace proxy::status {
namespace {

using namespace std::chrono_literals;
using sync::Cause;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ReporterTest : public testing::Test {
 protected:
  // A sync from begin to end.
  void sync(sync::Outcome outcome) {
    reporter_.began(outcome.cause);
    reporter_.finished(outcome);
  }
  static sync::Outcome good(Cause cause, std::size_t operations) {
    return {
        .cause = cause,
        .changed = 1,
        .duration = 2ms,
        .report = modes::SyncReport{.transactions = 1, .operations = operations, .set_aside = {}}};
  }
  static sync::Outcome bad(int failures) {
    return {.cause = Cause::change,
            .changed = 1,
            .duration = 2ms,
            .report = system_error(EBUSY, "commit"),
            .retry_in = 400ms,
            .failures = failures};
  }
  static sync::Outcome setting_aside(const std::string& name) {
    auto outcome = good(Cause::change, 3);
    outcome.report->set_aside = {
        {.name = {.service = {"ns", name}, .port = "http"}, .error = invalid("too \x1b[1mlong")}};
    return outcome;
  }
  std::vector<std::string> take_lines() { return std::exchange(log_.lines, {}); }
  YAML::Node document() {
    return YAML::Load(status_document({.version = "1.2.3",
                                       .mode = "iptables",
                                       .node = "node-a",
                                       .started = start_,
                                       .listening = {{"healthz", "0.0.0.0:10256"}},
                                       .table = table_,
                                       .health = health_,
                                       .reporter = reporter_,
                                       .problems = problems_,
                                       .health_check_failures = {}},
                                      now_));
  }

  Moment start_{std::chrono::steady_clock::time_point{1h},
                std::chrono::system_clock::time_point{1000000s}};
  Moment now_ = start_;
  fakes::FakeLog log_;
  Health health_{60s, false};
  Metrics metrics_{"1", "none"};
  state::ServiceTable table_{{.name = "node-a"}};
  std::vector<sources::Problem> problems_;
  Reporter reporter_{
      {.log = log_, .health = health_, .metrics = metrics_, .table = table_, .now = [this] {
         return now_;
       }}};
};

TEST_F(ReporterTest, SaysWhenAllIsInForceAndThenKeepsQuiet) {
  table_.replace({fakes::service("a", 1)});
  reporter_.queued();
  sync(good(Cause::start, 12));
  EXPECT_THAT(take_lines(), ElementsAre("info all 1 service ports are in force: 12 operations in 1 "
                                        "transactions, 2.0 ms"));
  EXPECT_TRUE(health_.is_synced());
  sync(good(Cause::change, 3));
  sync(good(Cause::period, 0));
  sync(good(Cause::outside_change, 0));
  EXPECT_THAT(take_lines(), IsEmpty());
}

TEST_F(ReporterTest, SaysThatAReconcileFoundDifferences) {
  sync(good(Cause::start, 1));
  take_lines();
  sync(good(Cause::period, 4));
  EXPECT_THAT(take_lines(), ElementsAre(HasSubstr("warning what was in force differed")));
}

TEST_F(ReporterTest, SaysEachFailureAndTheRecovery) {
  sync(good(Cause::start, 1));
  take_lines();
  sync(bad(1));
  sync(bad(2));
  sync(good(Cause::retry, 1));
  EXPECT_THAT(
      take_lines(),
      ElementsAre(HasSubstr("error sync (change) failed, attempt 1, next in 400 ms: commit"),
                  HasSubstr("attempt 2"), "info synced again after 2 failures"));
}

TEST_F(ReporterTest, NamesAServiceThatIsSetAsideOnceAndAgainWhenItIsBack) {
  sync(setting_aside("bad"));
  sync(setting_aside("bad"));
  sync(good(Cause::change, 1));
  EXPECT_THAT(take_lines(),
              ElementsAre("error ns/bad:http (TCP IPv4) is set aside: too \x1b[1mlong",
                          "info ns/bad:http (TCP IPv4) is no longer set aside"));
}

TEST_F(ReporterTest, NamesTheProcessThatTamperedAtMostOnceASecond) {
  const modes::OutsideChange change{.process_id = 7, .process_name = "iptables"};
  reporter_.noticed(change);
  reporter_.noticed(change);
  now_.steady += 2s;
  reporter_.noticed(change);
  reporter_.noticed({});
  EXPECT_THAT(
      take_lines(),
      ElementsAre("warning iptables (process 7) changed what this proxy had written; repairing it",
                  "warning iptables (process 7) changed what this proxy had written; repairing it",
                  "warning an unknown process changed what this proxy had written; repairing it"));
  EXPECT_EQ(reporter_.outside_changes(), 4U);
}

TEST_F(ReporterTest, DoesNotCallItTamperingWhenTheNodesAddressesChange) {
  reporter_.noticed({modes::OutsideChange::Kind::node_addresses, 0, {}});
  sync(good(Cause::outside_change, 1));
  EXPECT_THAT(take_lines(),
              ElementsAre(HasSubstr("info this node's addresses changed, rules follow: ")));
  EXPECT_EQ(reporter_.outside_changes(), 0U);
  reporter_.noticed({.process_id = 7, .process_name = "iptables"});
  reporter_.noticed({modes::OutsideChange::Kind::node_addresses, 0, {}});
  sync(good(Cause::outside_change, 1));
  EXPECT_THAT(take_lines(), ElementsAre(HasSubstr("warning iptables"),
                                        HasSubstr("info repaired what somebody else")));
}

TEST_F(ReporterTest, AChangeOfNothingForwardedCountsAsWrittenButNotAsASync) {
  reporter_.queued();
  sync({.cause = Cause::change, .changed = 0});
  now_.steady += 1h;
  EXPECT_TRUE(health_.is_healthy(now_));
  EXPECT_FALSE(reporter_.last_sync());
}

TEST_F(ReporterTest, CountsChangedRecordsByKind) {
  records::EndpointSlice slice;
  slice.name = {"ns", "a-1"};
  slice.last_change_trigger = start_.wall + 1s;
  reporter_.about_to_change({records::Record{fakes::service("a", 1)}, records::Record{slice},
                             fakes::without_service("b")});
  now_.wall += 2s;
  sync(good(Cause::change, 1));
  const auto text = metrics_.text({});
  EXPECT_THAT(text, HasSubstr("kubeproxy_sync_proxy_rules_service_changes_total 2\n"));
  EXPECT_THAT(text, HasSubstr("kubeproxy_sync_proxy_rules_endpoint_changes_total 1\n"));
  EXPECT_THAT(text, HasSubstr("kubeproxy_network_programming_duration_seconds_sum{ip_family="
                              "\"IPv4\"} 1\n"));
}

TEST_F(ReporterTest, LearnsFromTheNodeWhetherTrafficMayCome) {
  records::Node node;
  node.name.name = "node-a";
  node.taints = {"ToBeDeletedByClusterAutoscaler"};
  table_.replace({records::Record{node}});
  reporter_.records_replaced(1);
  EXPECT_FALSE(health_.node_eligible());
}

TEST_F(ReporterTest, TheStatusDocumentTellsTheSame) {
  EXPECT_TRUE(document()["lastSync"].IsNull());
  EXPECT_FALSE(document()["synced"].as<bool>());
  table_.replace({fakes::service("a", 1)});
  problems_ = {{"web.yaml", "Service ns/\x1b: no name"}};
  sync(setting_aside("bad"));
  sync(bad(3));
  now_.steady += 5s;
  const auto status = document();
  EXPECT_EQ(status["mode"].as<std::string>(), "iptables");
  EXPECT_EQ(status["uptimeSeconds"].as<double>(), 5);
  EXPECT_EQ(status["listening"]["healthz"].as<std::string>(), "0.0.0.0:10256");
  EXPECT_EQ(status["counts"]["servicePorts"].as<int>(), 1);
  EXPECT_EQ(status["counts"]["setAside"].as<int>(), 1);
  EXPECT_EQ(status["lastSync"]["operations"].as<int>(), 3);
  EXPECT_EQ(status["lastSync"]["durationSeconds"].as<double>(), 0.002);
  EXPECT_EQ(status["failure"]["inARow"].as<int>(), 3);
  EXPECT_EQ(status["setAside"][0]["servicePort"].as<std::string>(), "ns/bad:http");
  EXPECT_EQ(status["setAside"][0]["reason"].as<std::string>(), "too \\x1b[1mlong");
  EXPECT_EQ(status["problems"][0]["what"].as<std::string>(), "Service ns/\\x1b: no name");
}

}  // namespace
}  // namespace proxy::status
