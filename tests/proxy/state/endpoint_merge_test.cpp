#include "proxy/state/endpoint_merge.hpp"

#include "proxy/state/health_checks.hpp"
#include "tests/proxy/state/builders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::state {
namespace {

using namespace proxy::state::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kHere = "node-a";

std::vector<Endpoint> merged(const std::vector<KnownSlice>& slices, const ServicePortName& name) {
  std::vector<Endpoint> endpoints;
  for (const auto& candidate : merge_endpoints(slices, name)) {
    endpoints.push_back(candidate.endpoint);
  }
  return endpoints;
}

TEST(EndpointMerge, SlicesAddUpAndOverlapsCountOnce) {
  const std::vector slices{
      known_slice(slice("a", "web", {slice_endpoint("10.0.0.2"), slice_endpoint("10.0.0.1")}), ""),
      known_slice(slice("b", "web", {slice_endpoint("10.0.0.2"), slice_endpoint("10.0.0.3")}), "")};
  EXPECT_THAT(merged(slices, port_name("web")),
              ElementsAre(endpoint("10.0.0.1", 8080), endpoint("10.0.0.2", 8080),
                          endpoint("10.0.0.3", 8080)));
}

TEST(EndpointMerge, OneAddressWithTwoPortsIsTwoEndpoints) {
  auto other = slice("b", "web", {slice_endpoint("10.0.0.1")});
  other.ports[0].port = Port{9090};
  const std::vector slices{known_slice(slice("a", "web", {slice_endpoint("10.0.0.1")}), ""),
                           known_slice(other, "")};
  EXPECT_THAT(merged(slices, port_name("web")),
              ElementsAre(endpoint("10.0.0.1", 8080), endpoint("10.0.0.1", 9090)));
}

TEST(EndpointMerge, NameProtocolAndFamilyOfThePortMustAgree) {
  const std::vector slices{known_slice(slice("a", "web", {slice_endpoint("10.0.0.1")}), "")};
  EXPECT_THAT(merged(slices, port_name("web", Family::v6)), IsEmpty());
  EXPECT_THAT(merged(slices, port_name("web", Family::v4, "https")), IsEmpty());
  EXPECT_THAT(merged(slices, port_name("web", Family::v4, "http", Protocol::udp)), IsEmpty());
}

TEST(EndpointMerge, ASlicePortWithoutNumberServesNothing) {
  auto without = slice("a", "web", {slice_endpoint("10.0.0.1")});
  without.ports[0].port = std::nullopt;
  EXPECT_THAT(merged({known_slice(without, "")}, port_name("web")), IsEmpty());
}

TEST(EndpointMerge, TheLocalCopyOfAnEndpointCountsThenTheBetterOne) {
  const auto remote_ready = slice_endpoint("10.0.0.1", "node-b");
  const auto local_not_ready = slice_endpoint("10.0.0.1", kHere, kNotReady);
  const auto local_ready = slice_endpoint("10.0.0.1", kHere);
  const auto winner = [&](const auto& first, const auto& second) {
    const std::vector slices{known_slice(slice("a", "web", {first}), kHere),
                             known_slice(slice("b", "web", {second}), kHere)};
    return *merge_endpoints(slices, port_name("web")).front().known;
  };
  EXPECT_TRUE(winner(remote_ready, local_not_ready).local);
  EXPECT_TRUE(winner(local_not_ready, remote_ready).local);
  EXPECT_TRUE(winner(local_not_ready, local_ready).ready);
  EXPECT_TRUE(winner(local_ready, local_not_ready).ready);
}

TEST(EndpointMerge, EndpointsOfAnotherFamilyThanTheirSliceAreCountedAndLeftOut) {
  const auto known =
      known_slice(slice("a", "web", {slice_endpoint("10.0.0.1"), slice_endpoint("fd00::1")}), "");
  EXPECT_EQ(known.endpoints.size(), 1U);
  EXPECT_EQ(known.wrong_family, 1U);
}

TEST(EndpointMerge, EqualZoneHintsAreStoredOnceWhateverTheirOrder) {
  const auto known =
      known_slice(slice("a", "web",
                        {slice_endpoint("10.0.0.1", "", kReady, {{"x", "y"}, {}}),
                         slice_endpoint("10.0.0.2", "", kReady, {{"y", "x", "x"}, {}}),
                         slice_endpoint("10.0.0.3", "", kReady)}),
                  "");
  ASSERT_EQ(known.zone_sets.size(), 2U);
  EXPECT_THAT(known.zone_sets[1], ElementsAre("x", "y"));
  EXPECT_EQ(known.endpoints[0].zone_hints, known.endpoints[1].zone_hints);
  EXPECT_EQ(known.endpoints[2].zone_hints, 0U);
}

TEST(EndpointMerge, ANodeWithoutNameHasNoLocalEndpoints) {
  const auto known = known_slice(slice("a", "web", {slice_endpoint("10.0.0.1", kHere)}), "");
  EXPECT_FALSE(known.endpoints[0].local);
}

TEST(EndpointMerge, AnEndpointTakesTwentyBytes) {
  EXPECT_EQ(sizeof(KnownEndpoint), 20U);
  EXPECT_EQ(sizeof(Endpoint), 20U);
}

TEST(HealthChecks, CountReadyLocalAddressesOncePerFamilyOverAllPorts) {
  auto other_port = slice("b", "web", {slice_endpoint("10.0.0.1", kHere)});
  other_port.ports = {{"metrics", Protocol::tcp, Port{9000}}};
  const std::vector slices{
      known_slice(slice("a", "web",
                        {slice_endpoint("10.0.0.1", kHere), slice_endpoint("10.0.0.2", kHere),
                         slice_endpoint("10.0.0.3", "node-b"),
                         slice_endpoint("10.0.0.4", kHere, kLastResort)}),
                  kHere),
      known_slice(other_port, kHere),
      known_slice(slice("c", "web", {slice_endpoint("fd00::1", kHere)}), kHere)};
  EXPECT_EQ(local_ready_addresses(slices, Family::v4), 2U);
  EXPECT_EQ(local_ready_addresses(slices, Family::v6), 1U);
}

}  // namespace
}  // namespace proxy::state
