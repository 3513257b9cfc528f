#include "modes/userspace/tallies.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace modes::userspace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Endpoint endpoint(std::uint8_t last) {
  return {IpAddress::v4(0x0af40000U | last), Port{8080}};
}
Service service_with(std::vector<Endpoint> endpoints, const Service* before = nullptr) {
  ServicePort port;
  port.cluster_ip = IpAddress::v4(0x0a600001);
  port.port = Port{80};
  port.cluster_endpoints = port.serving_endpoints = std::move(endpoints);
  return {ServicePortName{.service = {"ns", "web"}, .port = "http"}, port, Balance::round_robin,
          before};
}

TEST(Tallies, CountAConnectionWhereItGoes) {
  Tallies tallies;
  const auto service = service_with({endpoint(1), endpoint(2)});
  EXPECT_EQ(tallies.of(service).total, Tally{});
  auto attempt = tallies.begin(service);
  EXPECT_EQ(tallies.of(service).total, (Tally{.connections = 1, .open = 1}));
  attempt.missed(endpoint(1));
  auto share = attempt.connected(endpoint(2));
  attempt = {};
  share.received_from_client(10);
  share.received_from_endpoint(4'000'000'000);
  share.received_from_endpoint(4'000'000'000);
  const Tally open{.connections = 1, .open = 1, .bytes_in = 10, .bytes_out = 8'000'000'000};
  EXPECT_EQ(tallies.of(service).total, open);
  EXPECT_THAT(tallies.of(service).endpoints,
              ElementsAre(Pair(endpoint(1), Tally{.refused = 1}), Pair(endpoint(2), open)));
  share = {};
  EXPECT_EQ(tallies.of(service).total.open, 0U);
}

TEST(Tallies, CountWhatNoEndpointTook) {
  Tallies tallies;
  const auto service = service_with({endpoint(1)});
  {
    auto attempt = tallies.begin(service);
    attempt.missed(endpoint(1));
    attempt.refuse();
  }
  tallies.refused_datagrams(service, 3);
  EXPECT_EQ(tallies.of(service).total, (Tally{.connections = 1, .refused = 4}));
}

TEST(Tallies, GoOnWhenTheServiceChangesAndKeepTheSumOfWhatLeft) {
  Tallies tallies;
  const auto before = service_with({endpoint(1), endpoint(2)});
  auto stays = tallies.begin(before).connected(endpoint(1));
  auto quiet = tallies.begin(before).connected(endpoint(2));
  quiet.received_from_client(7);
  quiet = {};
  const auto after = service_with({endpoint(3)}, &before);
  tallies.replace(before, &after);
  stays.received_from_client(5);
  EXPECT_EQ(tallies.of(after).total, (Tally{.connections = 2, .open = 1, .bytes_in = 12}));
  EXPECT_THAT(tallies.of(after).endpoints,
              ElementsAre(Pair(endpoint(1), Tally{.connections = 1, .open = 1, .bytes_in = 5})))
      << "its connection goes on";
  stays = {};
  const auto later = service_with({endpoint(3)}, &after);
  tallies.replace(after, &later);
  EXPECT_THAT(tallies.of(later).endpoints, IsEmpty());
  EXPECT_EQ(tallies.of(later).total, (Tally{.connections = 2, .bytes_in = 12}));
}

TEST(Tallies, ForgetAServiceThatIsGoneWithItsLastConnection) {
  Tallies tallies;
  const auto service = service_with({endpoint(1)});
  auto share = tallies.begin(service).connected(endpoint(1));
  auto attempt = tallies.begin(service);
  tallies.replace(service, nullptr);
  EXPECT_EQ(tallies.of(service).total, Tally{});
  share.received_from_client(1);
  EXPECT_EQ(tallies.size(), 1U) << "somebody counts there still";
  auto late = attempt.connected(endpoint(1));
  attempt = {};
  share = {};
  late = {};
  const auto again = service_with({endpoint(1)});  // another of the same name
  tallies.replace(again, nullptr);
  EXPECT_EQ(tallies.size(), 0U);
}

}  // namespace
}  // namespace modes::userspace
