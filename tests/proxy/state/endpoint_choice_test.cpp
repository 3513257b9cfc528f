#include "proxy/state/endpoint_choice.hpp"

#include "tests/proxy/state/builders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy::state {
namespace {

using namespace proxy::state::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kHere = "node-a";
constexpr auto kElsewhere = "node-b";

ServicePort with_policies(TrafficPolicy internal, TrafficPolicy external) {
  ServicePort port;
  port.internal_policy = internal;
  port.external_policy = external;
  port.node_port = Port{30001};
  return port;
}
const auto kClusterPolicy = with_policies(TrafficPolicy::cluster, TrafficPolicy::cluster);
const auto kExternalLocal = with_policies(TrafficPolicy::cluster, TrafficPolicy::local);

ServicePort chosen(ServicePort port, std::vector<records::SliceEndpoint> endpoints,
                   std::string_view zone = "") {
  const std::vector slices{known_slice(slice("web-1", "web", std::move(endpoints)), kHere)};
  choose_endpoints(port, merge_endpoints(slices, port_name("web")), zone);
  return port;
}

TEST(EndpointChoice, ReadyEndpointsAreUsedAndOthersNot) {
  const auto port = chosen(kClusterPolicy, {slice_endpoint("10.0.0.1", kHere),
                                            slice_endpoint("10.0.0.2", kElsewhere, kNotReady),
                                            slice_endpoint("10.0.0.3", kElsewhere, kLastResort)});
  EXPECT_THAT(port.cluster_endpoints, ElementsAre(endpoint("10.0.0.1", 8080)));
  EXPECT_THAT(port.serving_endpoints,
              ElementsAre(endpoint("10.0.0.1", 8080), endpoint("10.0.0.3", 8080)));
}

TEST(EndpointChoice, WithoutReadyOnesThoseThatServeWhileTheyTerminateAreUsed) {
  const auto port =
      chosen(kClusterPolicy, {slice_endpoint("10.0.0.1", kHere, kLastResort),
                              slice_endpoint("10.0.0.2", kHere, {false, true, false}),
                              slice_endpoint("10.0.0.3", kHere, {false, false, true})});
  EXPECT_THAT(port.cluster_endpoints, ElementsAre(endpoint("10.0.0.1", 8080)));
  EXPECT_TRUE(port.has_any_endpoint);
}

TEST(EndpointChoice, TheFallBackIsMadeSeparatelyForClusterAndLocal) {
  const auto port = chosen(kExternalLocal, {slice_endpoint("10.0.0.1", kHere, kLastResort),
                                            slice_endpoint("10.0.0.2", kElsewhere)});
  EXPECT_THAT(port.cluster_endpoints, ElementsAre(endpoint("10.0.0.2", 8080)));
  EXPECT_THAT(port.local_endpoints, ElementsAre(endpoint("10.0.0.1", 8080)));
}

TEST(EndpointChoice, AnEndpointWithoutNodeIsNotLocal) {
  const auto port = chosen(kExternalLocal, {slice_endpoint("10.0.0.1")});
  EXPECT_THAT(port.local_endpoints, IsEmpty());
  EXPECT_THAT(port.cluster_endpoints, ElementsAre(endpoint("10.0.0.1", 8080)));
}

TEST(EndpointChoice, APolicyThatNoTrafficUsesHasNoEndpointsButKnowsThatThereAreSome) {
  ServicePort local_inside_only;
  local_inside_only.internal_policy = TrafficPolicy::local;
  const auto port = chosen(local_inside_only, {slice_endpoint("10.0.0.1", kElsewhere)});
  EXPECT_THAT(port.cluster_endpoints, IsEmpty());
  EXPECT_THAT(port.local_endpoints, IsEmpty());
  EXPECT_TRUE(port.has_any_endpoint);
  EXPECT_FALSE(port.has_reachable_endpoint());
}

TEST(EndpointChoice, WithoutUsableEndpointAnywhereThereIsNone) {
  const auto port = chosen(kExternalLocal, {slice_endpoint("10.0.0.1", kHere, kNotReady)});
  EXPECT_FALSE(port.has_any_endpoint);
}

TEST(EndpointChoice, ZoneHintsNarrowClusterTrafficToTheZone) {
  const std::vector endpoints{
      slice_endpoint("10.0.0.1", kHere, kReady, {{"zone-b"}, {}}),
      slice_endpoint("10.0.0.2", kHere, kReady, {{"zone-a"}, {}}),
      slice_endpoint("10.0.0.3", kHere, kReady, {{"zone-b", "zone-a"}, {}})};
  EXPECT_THAT(chosen(kClusterPolicy, endpoints, "zone-a").cluster_endpoints,
              ElementsAre(endpoint("10.0.0.2", 8080), endpoint("10.0.0.3", 8080)));
  EXPECT_EQ(chosen(kClusterPolicy, endpoints, "").cluster_endpoints.size(), 3U);
  EXPECT_EQ(chosen(kClusterPolicy, endpoints, "zone-c").cluster_endpoints.size(), 3U);
  EXPECT_EQ(chosen(kExternalLocal, endpoints, "zone-a").local_endpoints.size(), 3U);
}

TEST(EndpointChoice, OneReadyEndpointWithoutHintTurnsHintsOff) {
  std::vector endpoints{slice_endpoint("10.0.0.1", kHere, kReady, {{"zone-a"}, {}}),
                        slice_endpoint("10.0.0.2", kHere, kReady, {{"zone-b"}, {}}),
                        slice_endpoint("10.0.0.3", kHere, kNotReady)};
  EXPECT_EQ(chosen(kClusterPolicy, endpoints, "zone-a").cluster_endpoints.size(), 1U);
  endpoints.back().ready = true;
  EXPECT_EQ(chosen(kClusterPolicy, endpoints, "zone-a").cluster_endpoints.size(), 3U);
}

TEST(EndpointChoice, NodeHintsComeBeforeZoneHints) {
  std::vector endpoints{slice_endpoint("10.0.0.1", kHere, kReady, {{"zone-a"}, {kHere}}),
                        slice_endpoint("10.0.0.2", kElsewhere, kReady, {{"zone-a"}, {kElsewhere}}),
                        slice_endpoint("10.0.0.3", kElsewhere, kReady, {{"zone-b"}, {kElsewhere}})};
  EXPECT_THAT(chosen(kClusterPolicy, endpoints, "zone-a").cluster_endpoints,
              ElementsAre(endpoint("10.0.0.1", 8080)));
  // None is meant for this node: the zone decides.
  endpoints[0] = slice_endpoint("10.0.0.1", kHere, kReady, {{"zone-a"}, {kElsewhere}});
  EXPECT_THAT(chosen(kClusterPolicy, endpoints, "zone-a").cluster_endpoints,
              ElementsAre(endpoint("10.0.0.1", 8080), endpoint("10.0.0.2", 8080)));
}

TEST(EndpointChoice, HintsOfTerminatingEndpointsAreIgnored) {
  const auto port = chosen(kClusterPolicy,
                           {slice_endpoint("10.0.0.1", kHere, kLastResort, {{"zone-a"}, {}}),
                            slice_endpoint("10.0.0.2", kHere, kLastResort, {{"zone-b"}, {}})},
                           "zone-a");
  EXPECT_EQ(port.cluster_endpoints.size(), 2U);
}

TEST(EndpointChoice, EqualListsAreOneInMemory) {
  const auto port = chosen(kExternalLocal, {slice_endpoint("10.0.0.1", kHere)});
  EXPECT_TRUE(port.cluster_endpoints.shares_with(port.serving_endpoints));
  EXPECT_TRUE(port.local_endpoints.shares_with(port.serving_endpoints));
}

}  // namespace
}  // namespace proxy::state
