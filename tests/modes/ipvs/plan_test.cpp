// The laws of the planner, on states made at random, and the cases that the laws leave open.
#include "modes/ipvs/plan.hpp"

#include <gmock/gmock.h>

#include <random>

namespace modes::ipvs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

VirtualServerKey vip(unsigned number, Protocol protocol = Protocol::tcp) {
  return {IpAddress::v4(0x0a600000 + number), Port{80}, protocol};
}
Endpoint endpoint(unsigned number) {
  return {IpAddress::v4(0x0af40000 + number), Port{8080}};
}
VirtualServer server_with(std::initializer_list<RealServer> real) {
  return {Scheduler{}, std::chrono::seconds{0}, real};
}

// Few of each, so that two states have much in common.
class States {
 public:
  VirtualServers next() {
    VirtualServers out;
    const auto count = below(6);
    for (unsigned i = 0; i < count; ++i) {
      const auto protocol = std::array{Protocol::tcp, Protocol::udp, Protocol::sctp}.at(below(3));
      auto& server = out[vip(below(5), protocol)];
      server = {};  // it may have been chosen before
      server.scheduler.name = std::array{"rr", "wlc", "mh"}.at(below(3));
      server.persistence = std::chrono::seconds{below(2) * 60};
      for (unsigned n = 0; n < 5; ++n) {
        if (below(2) == 0) server.real_servers.push_back({endpoint(n)});
      }
    }
    return out;
  }
  // As the kernel may have it: other weights and ways of forwarding.
  VirtualServers next_in_the_kernel() {
    auto out = next();
    for (auto& [key, server] : out) {
      for (auto& real : server.real_servers) {
        real.weight = below(3);
        real.masqueraded = below(4) != 0;
      }
    }
    return out;
  }

 private:
  unsigned below(unsigned bound) {
    return std::uniform_int_distribution<unsigned>{0, bound - 1}(random_);
  }
  std::mt19937 random_{20261123};
};

VirtualServers after(const std::vector<Step>& steps, VirtualServers state, bool busy) {
  for (const auto& step : steps) {
    apply(
        step, [busy](const auto&, const auto&) { return busy; }, state);
  }
  return state;
}

// A real server that had weight 0 before, and that nobody wants, drains already: the plan leaves
// it.
VirtualServers without_drained(VirtualServers state) {
  for (auto& [key, server] : state) {
    std::erase_if(server.real_servers, [](const RealServer& real) { return real.weight == 0; });
  }
  return state;
}

TEST(IpvsPlan, OfAStateToItselfIsEmpty) {
  States states;
  for (int i = 0; i < 500; ++i) {
    const auto state = states.next();
    EXPECT_THAT(plan(state, state), IsEmpty());
  }
}

TEST(IpvsPlan, CarriedOutGivesWhatIsWanted) {
  States states;
  for (int i = 0; i < 2000; ++i) {
    const auto actual = states.next_in_the_kernel();
    const auto wanted = states.next();
    EXPECT_EQ(without_drained(after(plan(actual, wanted), actual, false)), wanted);
  }
}

TEST(IpvsPlan, CarriedOutNeedsNoSecondOneWhileConnectionsDrain) {
  States states;
  for (int i = 0; i < 2000; ++i) {
    const auto actual = states.next_in_the_kernel();
    const auto wanted = states.next();
    const auto then = after(plan(actual, wanted), actual, true);
    EXPECT_THAT(plan(then, wanted), IsEmpty());
    EXPECT_EQ(without_drained(then), wanted);
  }
}

TEST(IpvsPlan, AnEndpointThatLeavesIsDrainedOfTcpAndRemovedOfUdpAndSctp) {
  for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    const VirtualServers actual{{vip(1, protocol), server_with({{endpoint(1)}, {endpoint(2)}})}};
    const VirtualServers wanted{{vip(1, protocol), server_with({{endpoint(2)}})}};
    const Step gone = protocol == Protocol::tcp
                          ? Step{DrainRealServer{vip(1, protocol), endpoint(1)}}
                          : Step{RemoveRealServer{vip(1, protocol), endpoint(1)}};
    EXPECT_THAT(plan(actual, wanted), ElementsAre(gone));
  }
}

TEST(IpvsPlan, ADrainingEndpointIsLeftAlone) {
  const VirtualServers actual{{vip(1), server_with({{endpoint(1), 0}, {endpoint(2)}})}};
  const VirtualServers wanted{{vip(1), server_with({{endpoint(2)}})}};
  EXPECT_THAT(plan(actual, wanted), IsEmpty());
}

TEST(IpvsPlan, ADrainingEndpointThatIsWantedAgainGetsItsWeight) {
  const VirtualServers actual{{vip(1), server_with({{endpoint(1), 0}})}};
  const VirtualServers wanted{{vip(1), server_with({{endpoint(1)}})}};
  EXPECT_THAT(plan(actual, wanted), ElementsAre(RestoreRealServer{vip(1), endpoint(1)}));
}

TEST(IpvsPlan, WhatComesPrecedesWhatGoes) {
  const VirtualServers actual{{vip(1), server_with({{endpoint(1)}})}};
  const VirtualServers wanted{{vip(1), server_with({{endpoint(2)}})}};
  EXPECT_THAT(plan(actual, wanted), ElementsAre(AddRealServer{vip(1), endpoint(2)},
                                                DrainRealServer{vip(1), endpoint(1)}));
}

TEST(IpvsPlan, LosingTheLastEndpointKeepsTheVirtualServer) {
  const VirtualServers actual{{vip(1), server_with({{endpoint(1)}})}};
  const VirtualServers wanted{{vip(1), server_with({})}};
  EXPECT_THAT(plan(actual, wanted), ElementsAre(DrainRealServer{vip(1), endpoint(1)}));
}

TEST(IpvsPlan, SchedulerAndPersistenceChangeInPlace) {
  VirtualServers actual{{vip(1), server_with({{endpoint(1)}})}};
  auto wanted = actual;
  wanted[vip(1)].scheduler.name = "wlc";
  EXPECT_THAT(plan(actual, wanted),
              ElementsAre(ChangeVirtualServer{vip(1), Scheduler{"wlc", 0}, {}}));
  wanted = actual;
  wanted[vip(1)].persistence = std::chrono::seconds{60};
  EXPECT_THAT(plan(actual, wanted),
              ElementsAre(ChangeVirtualServer{vip(1), Scheduler{}, std::chrono::seconds{60}}));
}

TEST(IpvsPlan, AServiceThatGoesTakesItsRealServersWithItAtOnce) {
  const VirtualServers actual{{vip(1), server_with({{endpoint(1)}, {endpoint(2), 0}})}};
  EXPECT_THAT(plan(actual, {}), ElementsAre(RemoveVirtualServer{vip(1)}));
}

}  // namespace
}  // namespace modes::ipvs
