// A source and an API server that behaves.
#include "tests/proxy/sources/kubernetes/cluster.hpp"

namespace proxy::sources::kubernetes {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Following : public SourceTest {};

TEST_F(Following, BeginsWithOneSnapshotOfEverything) {
  start();
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.services(), ElementsAre("shop/web"));
  EXPECT_THAT(sink.names(records::Kind::endpoint_slice), ElementsAre("shop/web-abc"));
  EXPECT_THAT(sink.names(records::Kind::node), ElementsAre("node-a"));
  EXPECT_EQ(sink.change_count, 0);
  EXPECT_THAT(sink.standing, IsEmpty());
}

TEST_F(Following, EventsAreChanges) {
  start();
  ASSERT_TRUE(is_complete());
  server.put("services", "shop/api", service_json("shop", "api", "10.96.0.2"));
  server.put("services", "shop/web", service_json("shop", "web", "10.96.0.3"));
  ASSERT_TRUE(runs_until([&] { return sink.address("shop", "web") == "10.96.0.3"; }));
  EXPECT_EQ(sink.address("shop", "api"), "10.96.0.2");
  server.remove("services", "shop/web");
  ASSERT_TRUE(runs_until([&] { return sink.address("shop", "web").empty(); }));
  EXPECT_EQ(sink.replacements, 1);
}

TEST_F(Following, DeliversNothingUntilAllKindsAreListed) {
  server.refuse(-1, "/nodes", {.status = 403, .reason = "Forbidden", .message = "no"});
  start();
  ASSERT_TRUE(
      runs_until([&] { return server.watches() == 2 && server.count_requests("/nodes") > 3; }));
  server.put("services", "shop/api", service_json("shop", "api"));
  ASSERT_TRUE(runs_until([&] { return server.count_requests("/nodes") > 6; }));
  EXPECT_EQ(sink.replacements, 0);
}

TEST_F(Following, AsksWhatKubeProxyAsksForUnlessDnsNeedsMore) {
  server.put("services", "shop/headless",
             R"({"metadata":{"name":"headless","namespace":"shop","labels":)"
             R"({"service.kubernetes.io/headless":""}},"spec":{"clusterIP":"None"}})");
  server.put("namespaces", "shop", R"({"metadata":{"name":"shop"}})");
  start();
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.services(), ElementsAre("shop/web"));
  EXPECT_THAT(sink.names(records::Kind::name_space), IsEmpty());
  source.reset();
  start([](auto& settings) { settings.interests.dns = true; });
  ASSERT_TRUE(runs_until([&] { return sink.replacements == 2; }));
  EXPECT_THAT(sink.services(), ElementsAre("shop/headless", "shop/web"));
  EXPECT_THAT(sink.names(records::Kind::name_space), ElementsAre("shop"));
}

TEST_F(Following, OnlyItsOwnNode) {
  server.put("nodes", "node-b", node_json("node-b"));
  start();
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.names(records::Kind::node), ElementsAre("node-a"));
}

TEST_F(Following, WhatChangesNothingThatIsReadIsNoChange) {
  start();
  ASSERT_TRUE(is_complete());
  auto heartbeat = node_json("node-a");
  heartbeat.insert(heartbeat.size() - 2, R"(,"conditions":[{"lastHeartbeatTime":"now"}])");
  server.put("nodes", "node-a", heartbeat);
  server.put("nodes", "node-a", node_json("node-a", "b"));
  ASSERT_TRUE(runs_until([&] { return sink.change_count != 0; }));
  EXPECT_EQ(sink.change_count, 1);
}

TEST_F(Following, EndpointsOfTheOlderKindComeAsSlices) {
  const auto endpoints = [](const std::string& subsets) {
    return R"({"metadata":{"name":"web","namespace":"shop"},"subsets":[)" + subsets + "]}";
  };
  const std::string one =
      R"({"addresses":[{"ip":"10.244.0.1"}],"ports":[{"name":"http","port":8080}]})";
  const std::string six =
      R"({"addresses":[{"ip":"fd00::1"}],"ports":[{"name":"http","port":8080}]})";
  server.put("endpoints", "shop/web", endpoints(one + "," + six));
  start([](auto& settings) { settings.interests.endpoints = true; });
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.names(records::Kind::endpoint_slice),
              ElementsAre("shop/web~endpoints-ipv4-0", "shop/web~endpoints-ipv6-1"));
  EXPECT_THAT(server.requests(), Not(testing::Contains(HasSubstr("endpointslices"))));
  server.put("endpoints", "shop/web", endpoints(one));
  ASSERT_TRUE(runs_until([&] { return sink.names(records::Kind::endpoint_slice).size() == 1; }));
  server.remove("endpoints", "shop/web");
  ASSERT_TRUE(runs_until([&] { return sink.names(records::Kind::endpoint_slice).empty(); }));
}

TEST_F(Following, AnObjectThatCannotBeReadKeepsItsLastGoodVersionAndIsNamed) {
  start();
  ASSERT_TRUE(is_complete());
  auto bad = service_json("shop", "web");
  bad.replace(bad.find(R"("port":80)"), 9, R"("port":99999)");
  server.put("services", "shop/web", bad);
  ASSERT_TRUE(runs_until([&] { return !sink.standing.empty(); }));
  EXPECT_THAT(sink.standing.front().what, HasSubstr("Service shop/web"));
  EXPECT_EQ(sink.address("shop", "web"), "10.96.0.1");
  server.put("services", "shop/web", service_json("shop", "web", "10.96.0.9"));
  ASSERT_TRUE(runs_until([&] { return sink.standing.empty(); }));
  EXPECT_EQ(sink.address("shop", "web"), "10.96.0.9");
}

TEST_F(Following, UnderstandsGzip) {
  server.set_gzip(true, true);
  start();
  ASSERT_TRUE(is_complete());
  server.put("services", "shop/api", service_json("shop", "api"));
  ASSERT_TRUE(settles());
  expect_what_the_server_has();
}

class WithoutStreamingLists : public Following,
                              public testing::WithParamInterface<fakes::Streaming> {};

TEST_P(WithoutStreamingLists, ListsInPages) {
  server.set_streaming(GetParam());
  server.set_gzip(true, false);
  for (int i = 0; i < 1234; ++i) {
    const auto name = "s" + std::to_string(i);
    server.put("services", "many/" + name, service_json("many", name));
  }
  start();
  ASSERT_TRUE(is_complete());
  EXPECT_GE(server.count_requests("continue="), 2);
  server.put("services", "shop/api", service_json("shop", "api"));
  server.remove("services", "many/s7");
  ASSERT_TRUE(settles());
  expect_what_the_server_has();
  EXPECT_THAT(sink.standing, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(ServersThat, WithoutStreamingLists,
                         testing::Values(fakes::Streaming::refused, fakes::Streaming::ignored));

TEST_F(Following, WithoutTls) {
  fakes::ApiServer plain{{.tls = false}};
  plain.put("services", "shop/plain", service_json("shop", "plain"));
  start([&](auto& settings) { settings.access.servers = {*parse_server(plain.url())}; });
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.services(), ElementsAre("shop/plain"));
}

TEST_F(Following, BelowAPath) {
  start([&](auto& settings) {
    settings.access.servers = {*parse_server(server.url() + "/k8s/c1/")};
  });
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(server.requests().front(), HasSubstr("/k8s/c1/api"));
}

TEST_F(Following, StoppedSourcesCallNobody) {
  start();
  ASSERT_TRUE(is_complete());
  source->stop();
  server.put("services", "shop/late", service_json("shop", "late"));
  io.restart();
  io.run();  // ends: nothing is left that waits
  EXPECT_THAT(sink.services(), ElementsAre("shop/web"));
}

}  // namespace
}  // namespace proxy::sources::kubernetes
