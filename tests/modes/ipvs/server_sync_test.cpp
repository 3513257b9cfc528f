// How wanted virtual servers are carried out: draining, restarts, refusals, missing schedulers.
#include "modes/ipvs/server_sync.hpp"

#include "tests/modes/ipvs/fake_ipvs.hpp"

#include <gmock/gmock.h>

#include <linux/ip_vs.h>

namespace modes::ipvs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ServicePortName kWeb{{"ns1", "web"}, "http", Protocol::tcp, Family::v4};
const ServicePortName kMail{{"ns1", "mail"}, "smtp", Protocol::tcp, Family::v4};

class ServerSyncTest : public testing::Test {
 protected:
  static VirtualServerKey vip(Protocol protocol = Protocol::tcp, unsigned number = 1) {
    return {IpAddress::v4(0xc6336400 + number), Port{80}, protocol};
  }
  static Endpoint endpoint(unsigned number = 1, std::uint16_t port = 80) {
    return {IpAddress::v4(0x0ab40100 + number), Port{port}};
  }
  static VirtualServers wants(const VirtualServerKey& key, std::vector<RealServer> real,
                              Scheduler scheduler = {}) {
    return {{key, {std::move(scheduler), {}, std::move(real)}}};
  }

  void own(const ServicePortName& name, const VirtualServers& servers) {
    Forwarding forwarding;
    forwarding.servers = servers;
    holdings_.set(name, &forwarding);
  }
  void start(const VirtualServers& wanted,
             ServerSync::Weights weights = ServerSync::Weights::restored) {
    sync_.observe(
        kernel_.observed(), wanted, [](const auto&) { return true; }, weights);
    ASSERT_TRUE(sync_.change_all(wanted, holdings_));
  }
  [[nodiscard]] std::vector<RealServer> real(const VirtualServerKey& key) const {
    return kernel_.has.at(key).real_servers;
  }

  FakeIpvs kernel_;
  Holdings holdings_;
  std::vector<std::string> warnings_;
  Drains::Time now_{};
  ServerSync sync_{kernel_, std::chrono::hours{1}, [this] { return now_; },
                   [this](const std::string& text) { warnings_.push_back(text); }};
};

TEST_F(ServerSyncTest, AnEndpointWithoutConnectionsIsRemovedAtOnce) {
  kernel_.has = wants(vip(), {{endpoint(), 100}});
  start(wants(vip(), {}));
  EXPECT_THAT(real(vip()), IsEmpty());
  EXPECT_EQ(sync_.drains().size(), 0U);
}

TEST_F(ServerSyncTest, AnEndpointWithConnectionsGetsWeightZeroAndIsKept) {
  kernel_.has = wants(vip(), {{endpoint(), 100}});
  kernel_.busy = {{vip(), endpoint()}};
  start(wants(vip(), {}));
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(), 0}));
}

TEST_F(ServerSyncTest, AnEndpointOfUdpOrSctpIsRemovedWhateverItsConnections) {
  for (const auto protocol : {Protocol::udp, Protocol::sctp}) {
    kernel_.has = wants(vip(protocol), {{endpoint(), 100}});
    kernel_.busy = {{vip(protocol), endpoint()}};
    start(wants(vip(protocol), {}));
    EXPECT_THAT(real(vip(protocol)), IsEmpty());
  }
}

TEST_F(ServerSyncTest, AnEndpointGoesWhenItsLastConnectionHasEnded) {
  kernel_.has = wants(vip(), {{endpoint()}});
  kernel_.busy = {{vip(), endpoint()}};
  start(wants(vip(), {}));
  EXPECT_EQ(*sync_.look_after_drains(), 0U);
  kernel_.busy.clear();
  EXPECT_EQ(*sync_.look_after_drains(), 1U);
  EXPECT_THAT(real(vip()), IsEmpty());
}

TEST_F(ServerSyncTest, AnEndpointGoesWhenItHasHadTimeEnough) {
  kernel_.has = wants(vip(), {{endpoint()}});
  kernel_.busy = {{vip(), endpoint()}};
  start(wants(vip(), {}));
  now_ += std::chrono::minutes{59};
  EXPECT_EQ(*sync_.look_after_drains(), 0U);
  now_ += std::chrono::minutes{1};
  EXPECT_EQ(*sync_.look_after_drains(), 1U);
  EXPECT_THAT(real(vip()), IsEmpty());
}

TEST_F(ServerSyncTest, AnEndpointThatIsWantedAgainWhileItDrainsServesAgain) {
  kernel_.has = wants(vip(), {{endpoint()}});
  kernel_.busy = {{vip(), endpoint()}};
  start(wants(vip(), {}));
  ASSERT_TRUE(sync_.change({}, {vip()}, wants(vip(), {{endpoint()}}), holdings_));
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(), 1}));
  EXPECT_EQ(sync_.drains().size(), 0U);
}

TEST_F(ServerSyncTest, WeightZeroDoesNotSurviveARestart) {
  kernel_.has = wants(vip(), {{endpoint(1), 0}, {endpoint(2), 7}});
  start(wants(vip(), {{endpoint(1)}, {endpoint(2)}}));
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(1), 1}, RealServer{endpoint(2), 1}));
}

TEST_F(ServerSyncTest, WhatDrainedBeforeARestartGoesOnDraining) {
  kernel_.has = wants(vip(), {{endpoint(1), 0}, {endpoint(2)}});
  kernel_.busy = {{vip(), endpoint(1)}};
  start(wants(vip(), {{endpoint(2)}}));
  EXPECT_EQ(sync_.drains().size(), 1U);
  kernel_.busy.clear();
  EXPECT_EQ(*sync_.look_after_drains(), 1U);
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(2), 1}));
}

TEST_F(ServerSyncTest, AWeightThatSomebodySetWhileWeRunStays) {
  const auto wanted = wants(vip(), {{endpoint()}});
  start(wanted);
  kernel_.has[vip()].real_servers.front().weight = 5;
  start(wanted, ServerSync::Weights::left);
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(), 5}));
}

TEST_F(ServerSyncTest, AnotherPortOfTheSameAddressIsAnotherEndpoint) {
  kernel_.has = wants(vip(), {{endpoint(1, 80), 1}});
  kernel_.busy = {{vip(), endpoint(1, 80)}};
  start(wants(vip(), {{endpoint(1, 80)}}));
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(1, 80), 1}));
}

TEST_F(ServerSyncTest, AForeignWayOfForwardingIsCorrected) {
  kernel_.has = wants(vip(), {{endpoint(), 1, false}});
  start(wants(vip(), {{endpoint()}}));
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(), 1, true}));
}

TEST_F(ServerSyncTest, VirtualServersOfOthersAreNotTouched) {
  kernel_.has = wants(vip(Protocol::tcp, 9), {{endpoint()}});
  sync_.observe(
      kernel_.observed(), {}, [](const auto&) { return false; }, ServerSync::Weights::restored);
  ASSERT_TRUE(sync_.change_all({}, holdings_));
  EXPECT_THAT(kernel_.taken, IsEmpty());
}

TEST_F(ServerSyncTest, ASchedulerThatTheKernelLacksIsReplacedByRoundRobinWithOneWarning) {
  auto wanted = wants(vip(), {{endpoint()}}, Scheduler{"mh", IP_VS_SVC_F_SCHED2});
  wanted.merge(wants(vip(Protocol::udp), {{endpoint()}}, Scheduler{"mh", 0}));
  own(kWeb, wanted);
  start(wanted);
  EXPECT_EQ(kernel_.has.at(vip()).scheduler, Scheduler{});
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(), 1}));
  EXPECT_THAT(real(vip(Protocol::udp)), ElementsAre(RealServer{endpoint(), 1}));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("ip_vs_mh")));
}

TEST_F(ServerSyncTest, ASchedulerChangesInPlace) {
  start(wants(vip(), {{endpoint()}}));
  kernel_.taken.clear();
  ASSERT_TRUE(
      sync_.change({}, {vip()}, wants(vip(), {{endpoint()}}, Scheduler{"wlc", 0}), holdings_));
  EXPECT_THAT(kernel_.taken, ElementsAre(ChangeVirtualServer{vip(), Scheduler{"wlc", 0}, {}}));
}

TEST_F(ServerSyncTest, AServicePortThatTheKernelRefusesIsSetAsideAndTheOthersAreInForce) {
  const auto bad = wants(vip(Protocol::tcp, 1), {{endpoint(1)}});
  const auto good = wants(vip(Protocol::tcp, 2), {{endpoint(2)}});
  own(kWeb, bad);
  own(kMail, good);
  kernel_.faulty = {{vip(Protocol::tcp, 1), ENOMEM}};
  auto wanted = bad;
  wanted.insert(good.begin(), good.end());
  start(wanted);
  ASSERT_EQ(sync_.set_aside().size(), 1U);
  EXPECT_EQ(sync_.set_aside().front().name, kWeb);
  EXPECT_THAT(real(vip(Protocol::tcp, 2)), ElementsAre(RealServer{endpoint(2), 1}));

  kernel_.faulty.clear();
  start(wanted);
  EXPECT_THAT(sync_.set_aside(), IsEmpty());
  EXPECT_TRUE(kernel_.has.contains(vip(Protocol::tcp, 1)));
}

TEST_F(ServerSyncTest, AVirtualServerThatSomebodyDeletedIsFoundMissing) {
  start(wants(vip(), {{endpoint(1)}}));
  kernel_.has.clear();
  const auto changed =
      sync_.change({}, {vip()}, wants(vip(), {{endpoint(1)}, {endpoint(2)}}), holdings_);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, std::errc::no_such_process);
  start(wants(vip(), {{endpoint(1)}, {endpoint(2)}}), ServerSync::Weights::left);
  EXPECT_EQ(real(vip()).size(), 2U);
}

TEST_F(ServerSyncTest, LostAnswersAreAnErrorAndTheNextObservationMendsIt) {
  kernel_.fail_next_with = ENOBUFS;
  const auto wanted = wants(vip(), {{endpoint()}});
  sync_.observe(
      kernel_.observed(), wanted, [](const auto&) { return true; }, ServerSync::Weights::restored);
  const auto first = sync_.change_all(wanted, holdings_);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, std::errc::no_buffer_space);
  start(wanted);
  EXPECT_THAT(real(vip()), ElementsAre(RealServer{endpoint(), 1}));
}

}  // namespace
}  // namespace modes::ipvs
