#include "proxy/sources/manifests/pod_endpoints.hpp"

#include "tests/proxy/sources/manifests/samples.hpp"

#include <gmock/gmock.h>

namespace proxy::sources::manifests {
namespace {

using records::EndpointSlice;
using records::Pod;
using records::Service;
using records::SlicePort;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<EndpointSlice> slices(const Service& service, const std::vector<Pod>& pods) {
  std::vector<const Pod*> pointers;
  for (const auto& one : pods) pointers.push_back(&one);
  return slices_of_pods(selecting(service).value(), pointers);
}

// The only endpoint there is.
records::SliceEndpoint endpoint(const Service& service, const Pod& pod) {
  const auto found = slices(service, {pod});
  if (found.size() != 1 || found[0].endpoints.size() != 1) {
    ADD_FAILURE() << "not one endpoint";
    return {};
  }
  return found[0].endpoints[0];
}

TEST(PodEndpoints, AReadyPodIsAReadyEndpointWithItsNodeAndName) {
  auto web = pod("web-0", "web", "10.0.0.1");
  web.node = std::make_shared<const std::string>("node-a");
  const auto found = slices(service("web"), {web});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].name, (records::ObjectName{"shop", "web~pods-ipv4-8080"}));
  EXPECT_EQ(found[0].service, "web");
  EXPECT_EQ(found[0].family, Family::v4);
  EXPECT_THAT(found[0].ports, ElementsAre(SlicePort{"http", Protocol::tcp, Port{8080}}));
  ASSERT_THAT(found[0].endpoints, SizeIs(1));
  const auto& endpoint = found[0].endpoints[0];
  EXPECT_EQ(endpoint.address, ip("10.0.0.1"));
  EXPECT_TRUE(endpoint.ready && endpoint.serving && !endpoint.terminating);
  EXPECT_EQ(*endpoint.node, "node-a");
  EXPECT_EQ(*endpoint.target_pod, "web-0");
}

TEST(PodEndpoints, APodThatIsNotReadyIsNeitherReadyNorServing) {
  auto web = pod("web-0", "web", "10.0.0.1");
  web.ready = false;
  const auto found = endpoint(service("web"), web);
  EXPECT_FALSE(found.ready || found.serving);
}

TEST(PodEndpoints, ATerminatingPodServesOnButIsNotReady) {
  auto web = pod("web-0", "web", "10.0.0.1");
  web.terminating = true;
  const auto found = endpoint(service("web"), web);
  EXPECT_TRUE(!found.ready && found.serving && found.terminating);
}

TEST(PodEndpoints, PublishingNotReadyAddressesMakesAllReady) {
  auto all = service("web");
  all.publish_not_ready_addresses = true;
  auto web = pod("web-0", "web", "10.0.0.1");
  web.ready = false;
  web.terminating = true;
  const auto found = endpoint(all, web);
  EXPECT_TRUE(found.ready && !found.serving && found.terminating);
}

TEST(PodEndpoints, FinishedPodsAndPodsWithoutAddressAreLeftOut) {
  auto finished = pod("web-0", "web", "10.0.0.1");
  finished.finished = true;
  auto pending = pod("web-1", "web", "10.0.0.2");
  pending.ips.clear();
  EXPECT_THAT(slices(service("web"), {finished, pending}), IsEmpty());
}

TEST(PodEndpoints, EachFamilyOfTheServiceHasItsSlice) {
  auto web = pod("web-0", "web", "10.0.0.1");
  web.ips.push_back(ip("fd00::1"));
  auto both = service("web");
  both.ip_families = {Family::v4, Family::v6};
  const auto found = slices(both, {web});
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].endpoints[0].address, ip("10.0.0.1"));
  EXPECT_EQ(found[1].endpoints[0].address, ip("fd00::1"));
  EXPECT_EQ(found[1].family, Family::v6);

  auto only_v6 = service("web", "fd00:96::1");  // by its cluster IP
  ASSERT_THAT(slices(only_v6, {web}), SizeIs(1));
  auto headless = service("web");
  headless.cluster_ips.clear();
  headless.headless = true;
  ASSERT_THAT(slices(headless, {web}), SizeIs(2));
  EXPECT_TRUE(slices(headless, {web})[0].headless_label);
}

TEST(PodEndpoints, NamedTargetPortsAreLookedUpInEachPod) {
  auto named = service("web");
  named.ports[0].target_port = "http";
  auto old_pod = pod("web-0", "web", "10.0.0.1");
  old_pod.ports = {{"http", {8080}, Protocol::udp}, {"http", {8000}, Protocol::tcp}};
  auto new_pod = pod("web-1", "web", "10.0.0.2");
  new_pod.ports = {{"http", {9000}, Protocol::tcp}};
  const auto bare_pod = pod("web-2", "web", "10.0.0.3");
  const auto found = slices(named, {old_pod, new_pod, bare_pod});
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].name.name, "web~pods-ipv4-none");
  EXPECT_THAT(found[0].ports, IsEmpty());
  EXPECT_EQ(found[1].name.name, "web~pods-ipv4-8000");
  EXPECT_THAT(found[1].ports, ElementsAre(SlicePort{"http", Protocol::tcp, Port{8000}}));
  EXPECT_EQ(found[2].name.name, "web~pods-ipv4-9000");
}

TEST(PodEndpoints, APodHasItsHostNameUnderTheServiceThatIsItsSubdomain) {
  auto web = pod("web-0", "web", "10.0.0.1");
  web.hostname = "web-0";
  EXPECT_EQ(endpoint(service("web"), web).extras, nullptr);
  web.subdomain = "web";
  EXPECT_EQ(endpoint(service("web"), web).extras->hostname, "web-0");
}

TEST(PodEndpoints, AServiceWithoutSelectorOrThatIsOnlyAnAliasSelectsNothing) {
  auto bare = service("web");
  bare.selector.clear();
  EXPECT_EQ(selecting(bare), std::nullopt);
  auto alias = service("web");
  alias.type = records::ServiceType::external_name;
  EXPECT_EQ(selecting(alias), std::nullopt);
}

TEST(PodEndpoints, SelectingNeedsEveryLabelOfTheSelector) {
  EXPECT_TRUE(selects({{"a", "1"}}, {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(selects({{"a", "1"}, {"b", "2"}}, {{"a", "1"}}));
  EXPECT_FALSE(selects({{"a", "1"}}, {{"a", "2"}}));
}

}  // namespace
}  // namespace proxy::sources::manifests
