#include "proxy/sync/scheduler.hpp"

#include "proxy/sync/intake.hpp"
#include "tests/fakes/fake_alarm.hpp"
#include "tests/fakes/fake_mode.hpp"
#include "tests/fakes/records.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::sync {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// Hears everything, as words.
struct Heard final : Observer {
  std::vector<std::string> words;
  std::vector<Outcome> outcomes;
  void queued() override {}
  void began(Cause cause) override { words.push_back("began " + std::string{to_string(cause)}); }
  void finished(const Outcome& outcome) override {
    words.emplace_back(outcome.report ? "done" : "failed");
    outcomes.push_back(outcome);
  }
  void noticed(const modes::OutsideChange& change) override {
    words.push_back("noticed " + change.process_name);
  }
};

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() {
    boost::asio::co_spawn(io_, scheduler_.run(), [this](std::exception_ptr error) {
      ended_ = true;
      error_ = std::move(error);
    });
    settle();
  }
  ~SchedulerTest() override {
    mode_.release();
    scheduler_.stop();
    settle();
    EXPECT_TRUE(ended_);
    EXPECT_FALSE(error_);
    EXPECT_LE(mode_.most_concurrent_calls, 1);
  }
  // Runs until everybody waits.
  void settle() {
    io_.restart();
    io_.poll();
  }
  void pass(Duration time) {
    alarm_.advance(time);
    settle();
  }
  void records_come(std::vector<records::Record> all) {
    table_.replace(std::move(all));
    scheduler_.records_are_complete();
    settle();
  }
  void change(sources::Change change) {
    table_.change({std::move(change)});
    scheduler_.changed();
    settle();
  }

  boost::asio::io_context io_;
  state::ServiceTable table_{{.name = "node-a"}};
  fakes::FakeMode mode_{io_.get_executor()};
  fakes::FakeAlarm alarm_{io_.get_executor()};
  Heard heard_;
  Scheduler scheduler_{{.wanted = table_,
                        .mode = mode_,
                        .alarm = alarm_,
                        .observer = heard_,
                        .chance = [] { return 0.0; }},
                       {}};
  bool ended_ = false;
  std::exception_ptr error_;
};

TEST_F(SchedulerTest, WaitsForTheFirstRecordsThenReconciles) {
  EXPECT_THAT(mode_.calls, IsEmpty());
  records_come({fakes::service("a", 1)});
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 1"));
}

TEST_F(SchedulerTest, NamesWhatChanged) {
  records_come({fakes::service("a", 1)});
  change(fakes::service("b", 2));
  change(fakes::without_service("a"));
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 1", "sync ns/b", "sync ns/a"));
}

TEST_F(SchedulerTest, AChangeThatConcernsNothingForwardedDoesNotDisturbTheKernel) {
  records_come({fakes::service("a", 1)});
  change(fakes::service("a", 1));
  records::Namespace other;
  other.name.name = "other";
  change(records::Record{other});
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 1"));
  EXPECT_EQ(heard_.outcomes.back().changed, 0U);
}

TEST_F(SchedulerTest, MergesWhatChangesWhileACallWaitsForTheKernel) {
  records_come({});
  mode_.held = true;
  change(fakes::service("a", 1));
  change(fakes::service("b", 2));
  change(fakes::service("c", 3));
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 0", "sync ns/a"));
  mode_.release();
  settle();
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 0", "sync ns/a", "sync ns/b ns/c"));
}

TEST_F(SchedulerTest, ReconcilesAfterAFailureAndSaysWhen) {
  records_come({});
  mode_.results = {system_error(EBUSY, "commit")};
  change(fakes::service("a", 1));
  EXPECT_EQ(heard_.outcomes.back().retry_in, 50ms);
  EXPECT_EQ(heard_.outcomes.back().failures, 1);
  change(fakes::service("b", 2));
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 0", "sync ns/a"));
  pass(50ms);
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 0", "sync ns/a", "reconcile of 2"));
  EXPECT_EQ(heard_.outcomes.back().failures, 0);
  change(fakes::service("c", 3));
  EXPECT_EQ(mode_.calls.back(), "sync ns/c");
}

TEST_F(SchedulerTest, ReconcilesEverySyncPeriod) {
  records_come({});
  pass(29s);
  EXPECT_EQ(mode_.calls.size(), 1U);
  pass(1s);
  EXPECT_EQ(mode_.calls.size(), 2U);
  pass(30s);
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 0", "reconcile of 0", "reconcile of 0"));
}

TEST_F(SchedulerTest, RepairsAtOnceWhatSomebodyElseChanged) {
  records_come({});
  mode_.tamper({.process_id = 7, .process_name = "iptables"});
  settle();
  EXPECT_THAT(heard_.words, ElementsAre("began start", "done", "noticed iptables",
                                        "began outside change", "done"));
}

TEST_F(SchedulerTest, ATamperingDuringASyncIsNoticedThenAndRepairedNext) {
  records_come({});
  mode_.held = true;
  change(fakes::service("a", 1));
  mode_.tamper({.process_id = 0, .process_name = "nft"});
  settle();
  EXPECT_EQ(heard_.words.back(), "noticed nft");
  mode_.release();
  settle();
  EXPECT_THAT(mode_.calls, ElementsAre("reconcile of 0", "sync ns/a", "reconcile of 1"));
}

TEST_F(SchedulerTest, StoppingLetsTheCallThatIsGoingOnEnd) {
  mode_.held = true;
  records_come({});
  scheduler_.stop();
  settle();
  EXPECT_FALSE(ended_);
  mode_.release();
  settle();
  EXPECT_TRUE(ended_);
  EXPECT_EQ(heard_.words.back(), "done");
}

// Sink and scheduler as the daemon joins them.
struct Joined final : IntakeListener {
  std::vector<std::string> words;
  void records_replaced(std::size_t count) override {
    words.push_back(std::to_string(count) + " records");
  }
  void about_to_replace(const std::vector<records::Record>& all) override {
    words.push_back(std::to_string(all.size()) + " records to come");
  }
  void about_to_change(const std::vector<sources::Change>& changes) override {
    words.push_back(std::to_string(changes.size()) + " changes to come");
  }
  void records_changed() override { words.emplace_back("changed"); }
  void problems_changed(const std::vector<sources::Problem>& added,
                        const std::vector<sources::Problem>& gone) override {
    for (const auto& problem : added) words.push_back("+" + problem.what);
    for (const auto& problem : gone) words.push_back("-" + problem.what);
  }
};

TEST(Intake, FillsTheTableAndTells) {
  state::ServiceTable table{{.name = "node-a"}};
  Joined listener;
  Intake intake{table, listener};
  intake.replace({fakes::service("a", 1), fakes::service("b", 2)});
  intake.change({fakes::without_service("a")});
  EXPECT_EQ(table.size(), 1U);
  EXPECT_THAT(listener.words,
              ElementsAre("2 records to come", "2 records", "1 changes to come", "changed"));
}

TEST(Intake, KeepsNoServicesWhereNothingIsForwarded) {
  state::ServiceTable table{{.name = "node-a"}};
  Joined listener;
  Intake intake{table, listener, Intake::Keep::node};
  intake.replace({fakes::service("a", 1), fakes::service("b", 2)});
  intake.change({fakes::service("c", 3)});
  EXPECT_EQ(table.size(), 0U);
  EXPECT_THAT(listener.words,
              ElementsAre("2 records to come", "2 records", "1 changes to come", "changed"));
}

TEST(Intake, TellsEachProblemWhenItComesAndWhenItGoes) {
  state::ServiceTable table{{.name = "node-a"}};
  Joined listener;
  Intake intake{table, listener};
  intake.problems({{"f", "b"}, {"f", "a"}, {"f", "a"}});
  intake.problems({{"f", "a"}, {"f", "b"}});
  intake.problems({{"f", "b"}});
  EXPECT_THAT(listener.words, ElementsAre("+a", "+b", "-a"));
  EXPECT_EQ(intake.current_problems().size(), 1U);
}

}  // namespace
}  // namespace proxy::sync
