#include "modes/userspace/service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace modes::userspace {
namespace {

using proxy::state::Endpoint;
using proxy::state::TrafficPolicy;

const ServicePortName kName{.service = {"ns", "web"}, .port = "http"};
const Clock::time_point kNow{};

Endpoint endpoint(std::uint8_t last) {
  return {IpAddress::v4(0x0af40000U | last), Port{8080}};
}
ServicePort port_with(std::vector<Endpoint> endpoints) {
  ServicePort port;
  port.cluster_ip = IpAddress::v4(0x0a600001);
  port.port = Port{80};
  port.cluster_endpoints = port.serving_endpoints = std::move(endpoints);
  return port;
}
Vip cluster_ip(const Service& service) {
  return service.cluster_ip();
}
IpAddress client(std::uint8_t last) {
  return IpAddress::v4(0xcb007100U | last);
}
Endpoint first_for(const Service& service, const IpAddress& from, Clock::time_point now = kNow) {
  return *service.candidates(cluster_ip(service), Entrance::inside, from, now).next();
}

TEST(UserspaceService, RoundRobinGivesEveryEndpointTheSameNumberOfConnections) {
  const Service service{kName, port_with({endpoint(1), endpoint(2), endpoint(3)}),
                        Balance::round_robin, nullptr};
  std::map<Endpoint, int> count;
  for (int i = 0; i < 300; ++i) ++count[first_for(service, client(1))];
  EXPECT_THAT(count,
              testing::ElementsAre(testing::Pair(endpoint(1), 100), testing::Pair(endpoint(2), 100),
                                   testing::Pair(endpoint(3), 100)));
}

TEST(UserspaceService, ClientsInStepDoNotGetTheSameHalfOfTheEndpointsForEver) {
  const Service service{kName, port_with({endpoint(1), endpoint(2)}), Balance::round_robin,
                        nullptr};
  std::map<Endpoint, int> of_one_client;
  for (int i = 0; i < 100; ++i) {
    ++of_one_client[first_for(service, client(1))];
    (void)first_for(service, client(2));
  }
  EXPECT_EQ(of_one_client.size(), 2U);
}

TEST(UserspaceService, EveryCandidateIsTriedOnce) {
  const Service service{kName, port_with({endpoint(1), endpoint(2), endpoint(3)}),
                        Balance::round_robin, nullptr};
  auto candidates = service.candidates(cluster_ip(service), Entrance::inside, client(1), kNow);
  std::vector<Endpoint> tried;
  while (const auto* next = candidates.next()) tried.push_back(*next);
  EXPECT_THAT(tried, testing::UnorderedElementsAre(endpoint(1), endpoint(2), endpoint(3)));
}

TEST(UserspaceService, LeastConnectionsFillsUpTheEmptiestAlsoAfterAChange) {
  const auto port = port_with({endpoint(1), endpoint(2)});
  const Service before{kName, port, Balance::least_connections, nullptr};
  const auto busy = before.connected(client(1), endpoint(1), kNow);
  EXPECT_EQ(first_for(before, client(1)), endpoint(2));
  const Service after{kName, port_with({endpoint(1), endpoint(2), endpoint(3)}),
                      Balance::least_connections, &before};
  for (int i = 0; i < 10; ++i) EXPECT_NE(first_for(after, client(1)), endpoint(1));
}

TEST(UserspaceService, AffinityLastsForItsTimeAndThroughChanges) {
  auto port = port_with({endpoint(1), endpoint(2), endpoint(3)});
  port.affinity = std::chrono::seconds{10};
  const Service before{kName, port, Balance::round_robin, nullptr};
  (void)before.connected(client(1), endpoint(2), kNow);
  const Service service{kName, port, Balance::round_robin, &before};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(first_for(service, client(1), kNow + std::chrono::seconds{10}), endpoint(2));
  }
  std::map<Endpoint, int> later;
  for (int i = 0; i < 30; ++i)
    ++later[first_for(service, client(1), kNow + std::chrono::seconds{11})];
  EXPECT_EQ(later.size(), 3U);
}

TEST(UserspaceService, AffinityToAnEndpointThatIsGoneIsNone) {
  auto port = port_with({endpoint(1), endpoint(2)});
  port.affinity = std::chrono::seconds{10};
  const Service before{kName, port, Balance::round_robin, nullptr};
  (void)before.connected(client(1), endpoint(2), kNow);
  port.cluster_endpoints = {endpoint(1)};
  const Service service{kName, port, Balance::round_robin, &before};
  EXPECT_EQ(first_for(service, client(1)), endpoint(1));
}

TEST(UserspaceService, WhoComesFromOutsideGetsLocalEndpointsUnderPolicyLocal) {
  auto port = port_with({endpoint(1), endpoint(2)});
  port.local_endpoints = {endpoint(2)};
  port.external_policy = TrafficPolicy::local;
  port.external_ips = {IpAddress::v4(0xc6336401)};
  const Service service{kName, port, Balance::round_robin, nullptr};
  const Vip external{port.external_ips[0], Port{80}, Protocol::tcp};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(*service.candidates(external, Entrance::outside, client(1), kNow).next(),
              endpoint(2));
  }
  EXPECT_EQ(service.candidates(external, Entrance::inside, client(1), kNow).left(), 2U);
}

TEST(Affinity, ForgetsTheOldestWhenThereAreTooMany) {
  Affinity affinity{std::chrono::seconds{100'000}};
  for (std::uint32_t i = 0; i < 70'000; ++i) {
    affinity.remember(IpAddress::v4(i), endpoint(1), kNow + std::chrono::seconds{i});
  }
  EXPECT_LE(affinity.size(), 65'536U);
  EXPECT_TRUE(affinity.find(IpAddress::v4(69'999), kNow + std::chrono::seconds{70'000}));
  EXPECT_FALSE(affinity.find(IpAddress::v4(1), kNow + std::chrono::seconds{70'000}));
}

}  // namespace
}  // namespace modes::userspace
