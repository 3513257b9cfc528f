#include "proxy/status/traffic_look.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>

namespace proxy::status {
namespace {

namespace asio = boost::asio;
using state::ServicePortName;
using testing::ElementsAre;
using testing::IsEmpty;

ServicePortName named(const std::string& name) {
  return {.service = {"ns", name}, .port = ""};
}

// A mode whose counters all say how often they were read, and whose readings wait to be released.
class Look : public testing::Test {
 protected:
  using Names = std::vector<std::string>;

  void ask(const std::vector<std::string>& names) {
    std::vector<ServicePortName> ports;
    for (const auto& name : names) ports.push_back(named(name));
    asio::co_spawn(io_, look_.at(std::move(ports)),
                   [this](const std::exception_ptr& failed, TrafficOf traffic) {
                     failures_ += failed ? 1 : 0;
                     if (!failed) answers_.push_back(std::move(traffic));
                   });
    run();
  }
  void release() {
    held_ = false;
    released_.cancel();
    run();
  }
  void run() {
    io_.restart();
    (void)io_.poll();
  }
  static modes::Awaitable<std::vector<modes::Traffic>> read(
      Look& self, std::span<const ServicePortName> names) {
    Names asked;
    for (const auto& name : names) asked.push_back(name.service.name);
    self.readings_.push_back(asked);
    if (self.held_) co_await self.released_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (self.fails_) throw std::runtime_error{"no"};
    modes::Traffic traffic;
    traffic.total.connections = self.readings_.size();
    co_return std::vector<modes::Traffic>(names.size(), traffic);
  }
  [[nodiscard]] std::uint64_t connections(std::size_t answer, const std::string& name) const {
    return answers_.at(answer).at(named(name))->total.connections.value();
  }

  asio::io_context io_;
  asio::steady_timer released_{io_, asio::steady_timer::time_point::max()};
  std::chrono::steady_clock::time_point now_{std::chrono::hours{1}};
  bool held_ = false;
  bool fails_ = false;
  int failures_ = 0;
  std::vector<Names> readings_;
  std::vector<TrafficOf> answers_;
  TrafficLook look_{io_.get_executor(), [this](auto names) { return read(*this, names); },
                    [this] { return now_; }};
};

TEST_F(Look, ReadsWhatIsAskedForAndNothingElse) {
  EXPECT_THAT(readings_, IsEmpty());
  ask({"a", "b"});
  EXPECT_THAT(readings_, ElementsAre(Names{"a", "b"}));
  EXPECT_EQ(connections(0, "b"), 1U);
}

TEST_F(Look, WhatWasReadServesEverybodyForASecond) {
  ask({"a", "b"});
  now_ += std::chrono::milliseconds{900};
  ask({"b", "c"});
  EXPECT_THAT(readings_, ElementsAre(Names{"a", "b"}, Names{"c"}));
  EXPECT_EQ(connections(1, "b"), 1U);
  now_ += std::chrono::milliseconds{200};
  ask({"b", "c"});
  EXPECT_THAT(readings_.back(), ElementsAre("b"));
  EXPECT_EQ(connections(2, "b"), 3U);
  EXPECT_EQ(connections(2, "c"), 2U);
}

TEST_F(Look, ThoseWhoAskMeanwhileWaitForTheReadingThatIsUnderWay) {
  held_ = true;
  ask({"a"});
  ask({"a"});
  ask({"a", "b"});
  EXPECT_THAT(readings_, ElementsAre(Names{"a"}));
  EXPECT_THAT(answers_, IsEmpty());
  release();
  EXPECT_THAT(readings_, ElementsAre(Names{"a"}, Names{"b"}));
  EXPECT_EQ(answers_.size(), 3U);
}

TEST_F(Look, AReadingThatFailsIsInNobodysWay) {
  fails_ = held_ = true;
  ask({"a"});
  ask({"a"});
  release();
  EXPECT_EQ(failures_, 2);
  EXPECT_EQ(readings_.size(), 2U) << "who had waited tries by himself";
  fails_ = false;
  ask({"a"});
  EXPECT_EQ(connections(0, "a"), 3U);
}

}  // namespace
}  // namespace proxy::status
