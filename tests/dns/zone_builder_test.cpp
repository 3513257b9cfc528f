#include "dns/zone_builder.hpp"

#include "tests/dns/cluster.hpp"

#include <gmock/gmock.h>

#include <random>

namespace dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr const char* kWeb = "web.shop.svc.cluster.local";

TEST(ZoneBuilder, AChangeIsInTheNextSnapshotAndNotInThoseBefore) {
  Cluster cluster;
  cluster.load({service("shop", "web", {"10.96.0.1"})});
  const auto before = cluster.builder().snapshot();
  cluster.put(service("shop", "web", {"10.96.0.2"}));
  EXPECT_THAT(cluster.answer(kWeb), ElementsAre("web.shop.svc.cluster.local. 5 IN A 10.96.0.2"));
  EXPECT_EQ(before->find(name(kWeb)).service->v4.all()[0], (V4{10, 96, 0, 1}));
}

TEST(ZoneBuilder, AnEndpointChangeSharesEverythingElse) {
  Cluster cluster;
  std::vector<records::Record> all;
  for (int i = 0; i < 500; ++i) {
    all.push_back(service("shop", "s" + std::to_string(i), {"10.96.1." + std::to_string(i % 250)}));
  }
  const auto pets = headless("shop", "pets");
  all.push_back(pets);
  all.push_back(slice(pets, "a", {{"10.1.0.2"}}));
  cluster.load(all);
  const auto before = cluster.builder().snapshot();
  cluster.put(slice(pets, "a", {{"10.1.0.2"}, {"10.1.0.3"}}));
  const auto after = cluster.builder().snapshot();
  for (int i = 0; i < 500; ++i) {
    const auto question = name("s" + std::to_string(i) + ".shop.svc.cluster.local");
    EXPECT_EQ(before->find(question).service, after->find(question).service);
  }
  const auto question = name("pets.shop.svc.cluster.local");
  EXPECT_EQ(before->find(question).service, after->find(question).service);
  EXPECT_NE(before->find(question).endpoints, after->find(question).endpoints);
}

TEST(ZoneBuilder, WhatShowsNowhereIsNoChange) {
  Cluster cluster;
  auto web = service("shop", "web", {"10.96.0.1"});
  cluster.load({web, slice(web, "a", {{"10.1.0.1"}})});
  EXPECT_TRUE(cluster.builder().changed());
  (void)cluster.builder().snapshot();
  web.labels["a"] = "b";
  cluster.put(web);
  cluster.put(slice(web, "a", {{"10.1.0.1"}, {"10.1.0.2", "", false}},
                    {{"http", Protocol::tcp, proxy::Port{8080}}}));
  EXPECT_FALSE(cluster.builder().changed());
}

TEST(ZoneBuilder, SlicesMayComeBeforeTheirService) {
  Cluster cluster;
  const auto pets = headless("shop", "pets");
  cluster.load({slice(pets, "a", {{"10.1.0.2"}})});
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  cluster.put(pets);
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), SizeIs(1));
  cluster.remove(pets);
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(cluster.answer("2.0.1.10.in-addr.arpa", Type::ptr), ElementsAre("REFUSED"));
}

TEST(ZoneBuilder, EndpointsInSeveralSlicesCountOnce) {
  Cluster cluster;
  const auto pets = headless("shop", "pets");
  cluster.load(
      {pets, slice(pets, "a", {{"10.1.0.2"}, {"10.1.0.3"}}), slice(pets, "b", {{"10.1.0.3"}})});
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), SizeIs(2));
  EXPECT_THAT(cluster.answer("_http._tcp.pets.shop.svc.cluster.local", Type::srv), SizeIs(2));
  cluster.remove(slice(pets, "a", {}));
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), SizeIs(1));
}

TEST(ZoneBuilder, OlderEndpointsObjectsCountWhereThereIsNoSlice) {
  Cluster cluster;
  const auto pets = headless("shop", "pets");
  records::Endpoints endpoints;
  endpoints.name = pets.name;
  auto& subset = endpoints.subsets.emplace_back();
  subset.endpoints.push_back(endpoint({"10.1.0.2"}));
  subset.endpoints.push_back(endpoint({"fd01::2"}));
  subset.ports.push_back({"http", Protocol::tcp, proxy::Port{80}});
  cluster.load({pets, endpoints});
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), SizeIs(1));
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local", Type::aaaa), SizeIs(1));
  cluster.put(slice(pets, "a", {{"10.1.0.9"}}));
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"),
              ElementsAre("pets.shop.svc.cluster.local. 5 IN A 10.1.0.9"));
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local", Type::aaaa), ElementsAre("NODATA"));
}

TEST(ZoneBuilder, NotReadyEndpointsArePublishedIfTheServiceSaysSo) {
  Cluster cluster;
  auto pets = headless("shop", "pets");
  cluster.load({pets, slice(pets, "a", {{"10.1.0.2", "", false}})});
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  pets.publish_not_ready_addresses = true;
  cluster.put(pets);
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"), SizeIs(1));
}

TEST(ZoneBuilder, EmptyServicesAreLeftOutIfAskedTo) {
  Cluster cluster{{.ignore_empty_service = true}};
  const auto web = service("shop", "web", {"10.96.0.1"});
  cluster.load({web, slice(web, "a", {{"10.1.0.2", "", false}})});
  EXPECT_THAT(cluster.answer(kWeb), ElementsAre("NXDOMAIN"));
  cluster.put(slice(web, "a", {{"10.1.0.2"}}));
  EXPECT_THAT(cluster.answer(kWeb), SizeIs(1));
}

TEST(ZoneBuilder, EndpointsGoByTheirPodsNameIfAskedTo) {
  Cluster cluster{{.endpoint_pod_names = true}};
  const auto pets = headless("shop", "pets");
  cluster.load(
      {pets, slice(pets, "a",
                   {{"10.1.0.2", "", true, "pets-x1"}, {"10.1.0.3", "cat", true, "pets-x2"}})});
  EXPECT_THAT(cluster.answer("pets-x1.pets.shop.svc.cluster.local"), SizeIs(1));
  EXPECT_THAT(cluster.answer("3.0.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("3.0.1.10.in-addr.arpa. 5 IN PTR cat.pets.shop.svc.cluster.local."));
}

TEST(ZoneBuilder, NamesOfSeveralLabelsAreNoNamesOfEndpoints) {
  Cluster cluster{{.endpoint_pod_names = true}};
  const auto pets = headless("shop", "pets");
  cluster.load({pets, slice(pets, "a", {{"10.1.0.2", "", true, "etcd-node.example"}})});
  EXPECT_THAT(cluster.answer("2.0.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("2.0.1.10.in-addr.arpa. 5 IN PTR 10-1-0-2.pets.shop.svc.cluster.local."));
}

TEST(ZoneBuilder, APodHasNameAndAddressUntilItEnds) {
  Cluster cluster{{.pod_records = PodRecords::verified}};
  auto client = pod("shop", "client", "10.2.0.1");
  constexpr const char* kClient = "10-2-0-1.shop.pod.cluster.local";
  cluster.load({client});
  EXPECT_THAT(cluster.answer(kClient), SizeIs(1));
  client.terminating = true;
  cluster.put(client);
  EXPECT_THAT(cluster.answer(kClient), ElementsAre("NXDOMAIN"));
  client.terminating = false;
  cluster.put(client);
  EXPECT_THAT(cluster.answer(kClient),
              ElementsAre("10-2-0-1.shop.pod.cluster.local. 5 IN A 10.2.0.1"));
  client.finished = true;
  cluster.put(client);
  EXPECT_THAT(cluster.answer(kClient), ElementsAre("NXDOMAIN"));
}

TEST(ZoneBuilder, EndpointsOfAClusterIpServiceHaveNamesThatLeadBackToThem) {
  Cluster cluster;
  const auto web = service("shop", "web", {"10.96.0.1"});
  cluster.load(
      {web, slice(web, "a", {{"10.1.0.2", "one"}, {"10.1.0.3"}, {"10.1.0.4", "", false}})});
  constexpr const char* kUnnamed = "10-1-0-3.web.shop.svc.cluster.local";
  EXPECT_THAT(cluster.answer("one.web.shop.svc.cluster.local"), SizeIs(1));
  EXPECT_THAT(cluster.answer(kUnnamed),
              ElementsAre("10-1-0-3.web.shop.svc.cluster.local. 5 IN A 10.1.0.3"));
  EXPECT_THAT(cluster.answer(kUnnamed, Type::aaaa), ElementsAre("NODATA"));
  EXPECT_THAT(cluster.answer("10-1-0-4.web.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(cluster.answer("10-96-0-1.web.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(cluster.answer(kWeb), ElementsAre("web.shop.svc.cluster.local. 5 IN A 10.96.0.1"));
  EXPECT_THAT(cluster.answer("2.0.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("2.0.1.10.in-addr.arpa. 5 IN PTR one.web.shop.svc.cluster.local."));
  EXPECT_THAT(cluster.answer("3.0.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("3.0.1.10.in-addr.arpa. 5 IN PTR 10-1-0-3.web.shop.svc.cluster.local."));
  cluster.put(slice(web, "a", {{"10.1.0.4"}}));
  EXPECT_THAT(cluster.answer(kUnnamed), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(cluster.answer("3.0.1.10.in-addr.arpa", Type::ptr), ElementsAre("REFUSED"));
  EXPECT_THAT(cluster.answer("4.0.1.10.in-addr.arpa", Type::ptr), SizeIs(1));
}

TEST(ZoneBuilder, AnEndpointLeadsBackToTheServicesThatNameIt) {
  Cluster cluster;
  const auto pg = headless("shop", "pg");
  const auto peers = headless("shop", "peers");
  const auto read = service("shop", "pg-read", {"10.96.0.1"});
  cluster.load({pg, slice(pg, "a", {{"10.1.0.2", "pg-0"}}), peers,
                slice(peers, "a", {{"10.1.0.2"}}), read,
                slice(read, "a", {{"10.1.0.2"}, {"10.1.0.3"}})});
  EXPECT_THAT(cluster.answer("2.0.1.10.in-addr.arpa", Type::ptr),
              UnorderedElementsAre(
                  "2.0.1.10.in-addr.arpa. 5 IN PTR pg-0.pg.shop.svc.cluster.local.",
                  "2.0.1.10.in-addr.arpa. 5 IN PTR 10-1-0-2.peers.shop.svc.cluster.local."));
  cluster.put(service("shop", "node", {"10.1.0.3"}));  // whoever has it as a cluster IP comes first
  EXPECT_THAT(cluster.answer("3.0.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("3.0.1.10.in-addr.arpa. 5 IN PTR node.shop.svc.cluster.local."));
}

TEST(ZoneBuilder, OnlyTheNamespacesAskedForAreServed) {
  Cluster cluster{{.namespaces = {"shop"}}};
  cluster.load({space("shop"), space("bank"), service("shop", "web", {"10.96.0.1"}),
                service("bank", "web", {"10.96.0.2"})});
  EXPECT_THAT(cluster.answer(kWeb), SizeIs(1));
  EXPECT_THAT(cluster.answer("bank.svc.cluster.local"), ElementsAre("NXDOMAIN"));
}

TEST(ZoneBuilder, ANamespaceExistsByItsObjectOrByAServiceInIt) {
  Cluster cluster;
  cluster.load({space("empty"), service("shop", "web", {"10.96.0.1"})});
  EXPECT_THAT(cluster.answer("empty.svc.cluster.local"), ElementsAre("NODATA"));
  EXPECT_THAT(cluster.answer("shop.svc.cluster.local"), ElementsAre("NODATA"));
  cluster.remove(space("empty"));
  cluster.remove(service("shop", "web", {}));
  EXPECT_THAT(cluster.answer("empty.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(cluster.answer("shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
}

TEST(ZoneBuilder, AnAddressThatMovesToAnotherServiceLeadsThere) {
  Cluster cluster;
  cluster.load({service("shop", "web", {"10.96.0.1"})});
  cluster.load({service("shop", "new", {"10.96.0.1"})});
  EXPECT_THAT(cluster.answer("1.0.96.10.in-addr.arpa", Type::ptr),
              ElementsAre("1.0.96.10.in-addr.arpa. 5 IN PTR new.shop.svc.cluster.local."));
  EXPECT_THAT(cluster.answer(kWeb), ElementsAre("NXDOMAIN"));
}

TEST(ZoneBuilder, TheSerialGrowsWithEachChange) {
  Cluster cluster;
  cluster.load({service("shop", "web", {"10.96.0.1"})});
  const auto first = cluster.builder().snapshot()->serial;
  cluster.put(service("shop", "web", {"10.96.0.2"}));
  EXPECT_GT(cluster.builder().snapshot()->serial, first);
}

// The law: however the records came, the zone is the one that a full list of them makes.
TEST(ZoneBuilder, ChangesOneByOneEndWhereAFullListBegins) {
  std::mt19937 random{11};
  Cluster by_changes{{.pod_records = PodRecords::verified}};
  by_changes.load({});
  std::map<records::RecordKey, records::Record> now;
  const auto number = [&](unsigned below) { return std::to_string(random() % below); };
  for (int step = 0; step < 3000; ++step) {
    records::Record record;
    const auto svc = "s" + number(6);
    switch (random() % 8) {
      case 0:
        record = service("n" + number(3), svc, {"10.96.0." + number(20)});
        break;
      case 1:
        record = headless("n" + number(3), svc);
        break;
      case 2:
        record = external("n" + number(3), svc, "s" + number(6) + ".n0.svc.cluster.local");
        break;
      case 3:
        record = space("n" + number(4));
        break;
      case 4:
        record = pod("n" + number(3), "p" + number(5), "10.2.0." + number(5));
        break;
      default:
        record =
            slice(headless("n" + number(3), svc), number(2),
                  {{"10.1.0." + number(20), random() % 2 ? "h" + number(3) : "", random() % 4 != 0},
                   {"10.1.0." + number(20)}});
    }
    const auto key = records::key_of(record);
    if (random() % 3 == 0) {
      now.erase(key);
      by_changes.remove(record);
    } else {
      now.insert_or_assign(key, record);
      by_changes.put(record);
    }
  }
  Cluster by_list{{.pod_records = PodRecords::verified}};
  std::vector<records::Record> all;
  for (const auto& [key, record] : now) all.push_back(record);
  by_list.load(all);

  const auto expect_same = [&](const std::string& question, Type type) {
    EXPECT_THAT(by_changes.answer(question, type),
                ::testing::UnorderedElementsAreArray(by_list.answer(question, type)))
        << question;
  };
  for (int n = 0; n < 4; ++n) {
    const auto below = ".n" + std::to_string(n) + ".svc.cluster.local";
    expect_same(below.substr(1), Type::a);
    for (int s = 0; s < 6; ++s) {
      const auto svc = "s" + std::to_string(s) + below;
      expect_same(svc, Type::a);
      expect_same(svc, Type::srv);
      expect_same("_http._tcp." + svc, Type::srv);
      for (int h = 0; h < 3; ++h) expect_same("h" + std::to_string(h) + "." + svc, Type::a);
      for (int i = 0; i < 20; ++i) expect_same("10-1-0-" + std::to_string(i) + "." + svc, Type::a);
    }
    for (int i = 0; i < 5; ++i) {
      expect_same("10-2-0-" + std::to_string(i) + ".n" + std::to_string(n) + ".pod.cluster.local",
                  Type::a);
    }
  }
  for (int i = 0; i < 20; ++i) {
    expect_same(std::to_string(i) + ".0.96.10.in-addr.arpa", Type::ptr);
    expect_same(std::to_string(i) + ".0.1.10.in-addr.arpa", Type::ptr);
  }
}

}  // namespace
}  // namespace dns::testing
