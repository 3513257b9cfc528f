// The rules of names, by the bytes that come back. The whole conformance suite runs against the
// real server (tests/conformance/dns); here is what each rule means, one at a time.
#include "tests/dns/cluster.hpp"

#include <gmock/gmock.h>

#include <set>

namespace dns::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class SmallCluster : public Cluster {
 public:
  explicit SmallCluster(ZoneOptions options = {}, ResponderOptions responder = {})
      : Cluster{std::move(options), std::move(responder)} {
    const auto pets = headless("shop", "pets");
    load({space("shop"), space("empty"),
          service("shop", "web", {"10.96.0.1", "fd00::1"},
                  {port("http", 80), port("ntp", 123, Protocol::udp)}),
          pets, slice(pets, "a", {{"10.1.0.2"}, {"10.1.0.3", "cat"}, {"10.1.0.4", "late", false}}),
          slice(pets, "b", {{"fd01::3", "cat"}}), external("shop", "db", "db.example.org"),
          external("shop", "alias", "web.shop.svc.cluster.local"),
          pod("shop", "client", "10.1.0.9")});
  }
};

TEST(Responder, AClusterIpServiceHasItsAddresses) {
  SmallCluster cluster;
  EXPECT_THAT(cluster.answer("web.shop.svc.cluster.local"),
              ElementsAre("web.shop.svc.cluster.local. 5 IN A 10.96.0.1"));
  EXPECT_THAT(cluster.answer("web.shop.svc.cluster.local", Type::aaaa),
              ElementsAre("web.shop.svc.cluster.local. 5 IN AAAA fd00::1"));
}

TEST(Responder, TheQuestionsLetterCaseComesBackInTheAnswer) {
  SmallCluster cluster;
  auto query = make_query(1, name("web.shop.svc.cluster.local"), Type::a, 0);
  for (auto& byte : query) {
    if (byte == 'e' || byte == 's') byte = static_cast<std::uint8_t>(byte - 32);
  }
  const auto message = cluster.ask_bytes(query);
  EXPECT_EQ(message.questions.at(0).name, "wEb.Shop.Svc.cluStEr.local.");
  EXPECT_EQ(message.answer.at(0).owner, "wEb.Shop.Svc.cluStEr.local.");
}

TEST(Responder, ANamedPortIsAnSrvRecordWithTheServicesAddressesBeside) {
  SmallCluster cluster;
  const auto message = cluster.ask("_http._tcp.web.shop.svc.cluster.local", Type::srv);
  EXPECT_THAT(Cluster::texts(message.answer),
              ElementsAre("_http._tcp.web.shop.svc.cluster.local. 5 IN SRV 0 100 80 "
                          "web.shop.svc.cluster.local."));
  EXPECT_THAT(Cluster::texts(message.additional),
              ElementsAre("web.shop.svc.cluster.local. 5 IN A 10.96.0.1",
                          "web.shop.svc.cluster.local. 5 IN AAAA fd00::1"));
}

TEST(Responder, AHeadlessServiceAnswersWithItsReadyEndpoints) {
  SmallCluster cluster;
  EXPECT_THAT(cluster.answer("pets.shop.svc.cluster.local"),
              UnorderedElementsAre("pets.shop.svc.cluster.local. 5 IN A 10.1.0.2",
                                   "pets.shop.svc.cluster.local. 5 IN A 10.1.0.3"));
  EXPECT_THAT(cluster.answer("cat.pets.shop.svc.cluster.local", Type::aaaa),
              ElementsAre("cat.pets.shop.svc.cluster.local. 5 IN AAAA fd01::3"));
  EXPECT_THAT(cluster.answer("10-1-0-2.pets.shop.svc.cluster.local"),
              ElementsAre("10-1-0-2.pets.shop.svc.cluster.local. 5 IN A 10.1.0.2"));
  EXPECT_THAT(cluster.answer("late.pets.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
}

TEST(Responder, SrvOfAHeadlessServiceNamesEachEndpointOnce) {
  SmallCluster cluster;
  const auto message = cluster.ask("_http._tcp.pets.shop.svc.cluster.local", Type::srv, 1232);
  const std::string head = "_http._tcp.pets.shop.svc.cluster.local. 5 IN SRV 0 100 80 ";
  EXPECT_THAT(Cluster::texts(message.answer),
              UnorderedElementsAre(head + "10-1-0-2.pets.shop.svc.cluster.local.",
                                   head + "cat.pets.shop.svc.cluster.local."));
  EXPECT_THAT(Cluster::texts(message.additional),
              UnorderedElementsAre("10-1-0-2.pets.shop.svc.cluster.local. 5 IN A 10.1.0.2",
                                   "cat.pets.shop.svc.cluster.local. 5 IN A 10.1.0.3",
                                   "cat.pets.shop.svc.cluster.local. 5 IN AAAA fd01::3"));
}

TEST(Responder, TwoProtocolsOnOnePortAreOneRecordAtTheServicesName) {
  Cluster cluster;
  const auto dns = headless("shop", "dns");
  cluster.load({dns,
                slice(dns, "a", {{"10.1.0.2"}, {"10.1.0.3"}},
                      {{"dns", Protocol::udp, proxy::Port{53}},
                       {"dns-tcp", Protocol::tcp, proxy::Port{53}},
                       {"metrics", Protocol::tcp, proxy::Port{9153}}}),
                service("shop", "vip", {"10.96.0.3"},
                        {port("dns", 53, Protocol::udp), port("dns-tcp", 53)})});
  const auto message = cluster.ask("dns.shop.svc.cluster.local", Type::srv, 1232);
  const auto records = Cluster::texts(message.answer);
  EXPECT_THAT(std::set(records.begin(), records.end()), SizeIs(4));
  EXPECT_THAT(records, SizeIs(4));
  EXPECT_THAT(message.additional, SizeIs(2));
  EXPECT_THAT(cluster.ask("vip.shop.svc.cluster.local", Type::srv).answer, SizeIs(1));
}

TEST(Responder, AServiceOfOneFamilyHasNoDataOfTheOther) {
  Cluster cluster;
  cluster.load({service("shop", "four", {"10.96.0.1"}), service("shop", "six", {"fd00::1"})});
  EXPECT_THAT(cluster.answer("four.shop.svc.cluster.local", Type::aaaa), ElementsAre("NODATA"));
  EXPECT_THAT(cluster.answer("six.shop.svc.cluster.local", Type::a), ElementsAre("NODATA"));
  EXPECT_THAT(cluster.ask("six.shop.svc.cluster.local").authority, SizeIs(1));
}

TEST(Responder, WhatExistsWithoutTheTypeIsNoDataAndWhatDoesNotIsNxDomain) {
  SmallCluster cluster;
  for (const char* exists :
       {"cluster.local", "svc.cluster.local", "pod.cluster.local", "shop.svc.cluster.local",
        "empty.svc.cluster.local", "shop.pod.cluster.local", "web.shop.svc.cluster.local",
        "_tcp.web.shop.svc.cluster.local", "_http._tcp.web.shop.svc.cluster.local",
        "dns.cluster.local", "dns-version.cluster.local", "cat.pets.shop.svc.cluster.local"}) {
    const auto message = cluster.ask(exists, Type::mx);
    EXPECT_EQ(message.rcode, Rcode::no_error) << exists;
    EXPECT_THAT(message.answer, IsEmpty()) << exists;
    EXPECT_THAT(message.authority, SizeIs(1)) << exists;
  }
  for (const char* missing :
       {"foo.cluster.local", "web.cluster.local", "none.svc.cluster.local",
        "web.none.svc.cluster.local", "none.shop.svc.cluster.local",
        "_sctp.web.shop.svc.cluster.local", "_http._udp.web.shop.svc.cluster.local",
        "bogus.web.shop.svc.cluster.local", "a.b.c.web.shop.svc.cluster.local",
        "ep.db.shop.svc.cluster.local", "x.dns-version.cluster.local",
        "10-1-0-4.pets.shop.svc.cluster.local", "blah.shop.pod.cluster.local",
        "1-2-3-4.none.pod.cluster.local", "x.1-2-3-4.shop.pod.cluster.local"}) {
    const auto message = cluster.ask(missing, Type::mx);
    EXPECT_EQ(message.rcode, Rcode::name_error) << missing;
    EXPECT_THAT(message.authority, SizeIs(1)) << missing;
    EXPECT_TRUE(message.has(flag::kAuthoritative));
  }
}

TEST(Responder, ADenialCarriesTheZonesSoa) {
  SmallCluster cluster;
  const auto message = cluster.ask("none.shop.svc.cluster.local");
  EXPECT_THAT(Cluster::texts(message.authority),
              ElementsAre("cluster.local. 5 IN SOA ns.dns.cluster.local. "
                          "hostmaster.cluster.local. 1700000000 7200 1800 86400 5"));
}

TEST(Responder, TheApexHasSoaAndNsAndTheSchemaItsVersion) {
  SmallCluster cluster{{}, {.name_server_addresses = {ip("10.0.0.1")}}};
  EXPECT_THAT(cluster.answer("cluster.local", Type::soa), SizeIs(1));
  const auto ns = cluster.ask("cluster.local", Type::ns);
  EXPECT_THAT(Cluster::texts(ns.answer),
              ElementsAre("cluster.local. 5 IN NS ns.dns.cluster.local."));
  EXPECT_THAT(Cluster::texts(ns.additional), ElementsAre("ns.dns.cluster.local. 5 IN A 10.0.0.1"));
  cluster.put(service("kube-system", "kube-dns", {"10.96.0.10"}));
  EXPECT_THAT(cluster.answer("ns.dns.cluster.local"),
              ElementsAre("ns.dns.cluster.local. 5 IN A 10.96.0.10"));
  EXPECT_THAT(cluster.answer("dns-version.cluster.local", Type::txt),
              ElementsAre("dns-version.cluster.local. 28800 IN TXT \"1.1.0\""));
}

TEST(Responder, AnAliasIsFollowedInTheZoneAndHandedOnOutside) {
  SmallCluster cluster;
  EXPECT_THAT(cluster.answer("alias.shop.svc.cluster.local"),
              ElementsAre("alias.shop.svc.cluster.local. 5 IN CNAME web.shop.svc.cluster.local.",
                          "web.shop.svc.cluster.local. 5 IN A 10.96.0.1"));
  EXPECT_THAT(cluster.answer("alias.shop.svc.cluster.local", Type::cname), SizeIs(1));
  EXPECT_THAT(cluster.answer("db.shop.svc.cluster.local"),
              ElementsAre("db.shop.svc.cluster.local. 5 IN CNAME db.example.org."));
  SmallCluster forwarding{{}, {.recursion = true}};
  EXPECT_THAT(forwarding.answer("db.shop.svc.cluster.local"), ElementsAre("ask db.example.org."));
  EXPECT_TRUE(forwarding.exchange.aliased);
}

TEST(Responder, AliasesInALoopAreAServerFailureWithoutRecords) {
  Cluster cluster;
  cluster.load({external("shop", "a", "b.shop.svc.cluster.local"),
                external("shop", "b", "a.shop.svc.cluster.local")});
  EXPECT_THAT(cluster.answer("a.shop.svc.cluster.local"), ElementsAre("SERVFAIL"));
  EXPECT_THAT(cluster.answer("a.shop.svc.cluster.local", Type::cname), SizeIs(1));
}

TEST(Responder, ALoopIsOneAlsoWhereItsAliasesWouldNotFit) {
  Cluster cluster;
  const std::string a(60, 'a');
  const std::string b(60, 'b');
  cluster.load({external("shop", a, b + ".shop.svc.cluster.local"),
                external("shop", b, a + ".shop.svc.cluster.local")});
  EXPECT_THAT(cluster.answer(a + ".shop.svc.cluster.local"), ElementsAre("SERVFAIL"));
}

TEST(Responder, ALongChainOfAliasesIsFollowedToItsEnd) {
  Cluster cluster;
  std::vector<records::Record> all{service("shop", "s10", {"10.96.0.1"})};
  for (int i = 0; i < 10; ++i) {
    all.push_back(external("shop", "s" + std::to_string(i),
                           "s" + std::to_string(i + 1) + ".shop.svc.cluster.local"));
  }
  cluster.load(all);
  cluster.asking.stream = true;
  EXPECT_THAT(cluster.answer("s0.shop.svc.cluster.local"), SizeIs(11));
}

TEST(Responder, AnAliasToWhatIsNotThereIsNxDomainBehindTheCname) {  // RFC 6604 §3
  Cluster cluster;
  cluster.load({external("shop", "a", "none.shop.svc.cluster.local")});
  const auto message = cluster.ask("a.shop.svc.cluster.local");
  EXPECT_EQ(message.rcode, Rcode::name_error);
  EXPECT_THAT(message.answer, SizeIs(1));
}

TEST(Responder, AddressesLeadBackToTheirNames) {
  SmallCluster cluster;
  EXPECT_THAT(cluster.answer("1.0.96.10.in-addr.arpa", Type::ptr),
              ElementsAre("1.0.96.10.in-addr.arpa. 5 IN PTR web.shop.svc.cluster.local."));
  EXPECT_THAT(cluster.answer("3.0.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("3.0.1.10.in-addr.arpa. 5 IN PTR cat.pets.shop.svc.cluster.local."));
  EXPECT_THAT(cluster.answer("2.0.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("2.0.1.10.in-addr.arpa. 5 IN PTR 10-1-0-2.pets.shop.svc.cluster.local."));
  EXPECT_THAT(cluster.answer("4.0.1.10.in-addr.arpa", Type::ptr), ElementsAre("REFUSED"));
  EXPECT_THAT(cluster.answer("1.0.96.10.in-addr.arpa", Type::a), ElementsAre("NODATA"));
}

TEST(Responder, PodRecordsAreMadeOfTheNameUnlessTheyAreVerified) {
  SmallCluster insecure;
  EXPECT_THAT(insecure.answer("172-0-0-2.shop.pod.cluster.local"),
              ElementsAre("172-0-0-2.shop.pod.cluster.local. 5 IN A 172.0.0.2"));
  SmallCluster verified{{.pod_records = PodRecords::verified}};
  EXPECT_THAT(verified.answer("172-0-0-2.shop.pod.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(verified.answer("10-1-0-9.shop.pod.cluster.local"), SizeIs(1));
  EXPECT_THAT(verified.answer("10-1-0-9.empty.pod.cluster.local"), ElementsAre("NXDOMAIN"));
  SmallCluster disabled{{.pod_records = PodRecords::disabled}};
  EXPECT_THAT(disabled.answer("10-1-0-9.shop.pod.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(disabled.answer("shop.pod.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(disabled.answer("pod.cluster.local"), ElementsAre("NODATA"));
}

TEST(Responder, ShortNamesAreOursOnlyWhereTheyExist) {
  SmallCluster cluster{{}, {.recursion = true}};
  EXPECT_THAT(cluster.answer("web.shop"), ElementsAre("web.shop. 5 IN A 10.96.0.1"));
  EXPECT_THAT(cluster.answer("web.shop.svc"), ElementsAre("web.shop.svc. 5 IN A 10.96.0.1"));
  EXPECT_THAT(cluster.answer("_http._tcp.web.shop", Type::srv),
              ElementsAre("_http._tcp.web.shop. 5 IN SRV 0 100 80 web.shop.svc.cluster.local."));
  EXPECT_THAT(cluster.answer("_ssh._tcp.web.shop", Type::srv),
              ElementsAre("ask _ssh._tcp.web.shop."));
  EXPECT_THAT(cluster.answer("none.shop"), ElementsAre("ask none.shop."));
  EXPECT_THAT(cluster.answer("cat.pets.shop"), ElementsAre("ask cat.pets.shop."));
  const auto no_data = cluster.ask("web.shop", Type::txt);
  EXPECT_THAT(no_data.answer, IsEmpty());
  EXPECT_EQ(no_data.authority.at(0).owner, "cluster.local.");
  SmallCluster off{{.short_names = false}, {}};
  EXPECT_THAT(off.answer("web.shop"), ElementsAre("REFUSED"));
}

TEST(Responder, WithStubDomainsAloneOtherNamesAreRefused) {
  SmallCluster cluster{{}, {.recursion = true, .only_below = {name("corp.example")}}};
  EXPECT_THAT(cluster.answer("www.corp.example"), ElementsAre("ask www.corp.example."));
  EXPECT_THAT(cluster.answer("www.example"), ElementsAre("REFUSED"));
  EXPECT_THAT(cluster.answer("db.shop.svc.cluster.local"),
              ElementsAre("db.shop.svc.cluster.local. 5 IN CNAME db.example.org."));
}

TEST(Responder, AStubDomainBelowTheClustersOwnIsItsUpstreams) {
  SmallCluster cluster{{.delegated = {name("corp.cluster.local")}}, {.recursion = true}};
  EXPECT_THAT(cluster.answer("www.corp.cluster.local"), ElementsAre("ask www.corp.cluster.local."));
  EXPECT_THAT(cluster.answer("www.cluster.local"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(cluster.answer("web.shop.svc.cluster.local"), SizeIs(1));
}

TEST(Responder, AutopathAnswersWhatTheSearchListWouldHaveFound) {
  SmallCluster cluster{{.know_pods = true}, {.recursion = true, .autopath = true}};
  cluster.put(service("bank", "vault", {"10.96.0.7"}));
  cluster.asking.client = ip("10.1.0.9");
  EXPECT_THAT(
      cluster.answer("vault.bank.shop.svc.cluster.local"),
      ElementsAre("vault.bank.shop.svc.cluster.local. 5 IN CNAME vault.bank.svc.cluster.local.",
                  "vault.bank.svc.cluster.local. 5 IN A 10.96.0.7"));
  EXPECT_THAT(cluster.answer("example.org.shop.svc.cluster.local"),
              ElementsAre("ask example.org."));
  EXPECT_TRUE(cluster.exchange.may_try_next);
  // Told that it does not exist, there is nothing left but the denial.
  EXPECT_THAT(cluster.answer("example.org.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  cluster.exchange.autopath_step = 0;
  EXPECT_THAT(cluster.answer("vault.bank.empty.svc.cluster.local"), ElementsAre("NXDOMAIN"));
  cluster.asking.client = ip("10.1.0.10");
  EXPECT_THAT(cluster.answer("vault.bank.shop.svc.cluster.local"), ElementsAre("NXDOMAIN"));
}

TEST(Responder, AutopathGivesBothTypesTheSameVerdict) {
  SmallCluster cluster{{.know_pods = true}, {.autopath = true}};
  cluster.put(service("bank", "vault", {"10.96.0.7"}));
  cluster.asking.client = ip("10.1.0.9");
  const auto message = cluster.ask("vault.bank.shop.svc.cluster.local", Type::aaaa);
  EXPECT_EQ(message.rcode, Rcode::no_error);
  EXPECT_THAT(message.answer, IsEmpty());
  EXPECT_EQ(message.authority.at(0).owner, "cluster.local.");
}

TEST(Responder, BeforeTheFirstFullListTheZoneFailsAndTheRestGoesOn) {
  Cluster cluster{{}, {.recursion = true}};
  EXPECT_THAT(cluster.answer("web.shop.svc.cluster.local"), ElementsAre("SERVFAIL"));
  EXPECT_THAT(cluster.answer("1.0.96.10.in-addr.arpa", Type::ptr), ElementsAre("SERVFAIL"));
  EXPECT_THAT(cluster.answer("example.org"), ElementsAre("ask example.org."));
}

TEST(Responder, AnswersThatDoNotFitAreCutAtARecordAndSaySo) {
  Cluster cluster;
  const auto many = headless("shop", "many");
  std::vector<End> ends;
  for (int i = 1; i <= 60; ++i) ends.push_back({"10.1.1." + std::to_string(i)});
  cluster.load({many, slice(many, "a", ends)});
  const auto small = cluster.ask("many.shop.svc.cluster.local");
  EXPECT_TRUE(small.has(flag::kTruncated));
  EXPECT_LE(small.size, 512u);
  EXPECT_GT(small.answer.size(), 20u);
  const auto edns = cluster.ask("many.shop.svc.cluster.local", Type::a, 1232);
  EXPECT_FALSE(edns.has(flag::kTruncated));
  EXPECT_THAT(edns.answer, SizeIs(60));
  EXPECT_TRUE(cluster.ask("many.shop.svc.cluster.local", Type::a, 100).has(flag::kTruncated));
  cluster.asking.stream = true;
  const auto stream = cluster.ask("_http._tcp.many.shop.svc.cluster.local", Type::srv);
  EXPECT_FALSE(stream.has(flag::kTruncated));
  EXPECT_THAT(stream.answer, SizeIs(60));
  EXPECT_THAT(stream.additional, SizeIs(60));
}

TEST(Responder, TheRotationChoosesWhichRecordComesFirst) {
  Cluster cluster;
  const auto ring = headless("shop", "ring");
  cluster.load({ring, slice(ring, "a", {{"10.1.0.1"}, {"10.1.0.2"}, {"10.1.0.3"}, {"10.1.0.4"}})});
  std::set<std::string> firsts;
  for (std::uint32_t quarter = 0; quarter < 4; ++quarter) {
    cluster.asking.rotation = quarter << 30;
    const auto message = cluster.ask("ring.shop.svc.cluster.local");
    EXPECT_THAT(message.answer, SizeIs(4));
    firsts.insert(message.answer.at(0).data);
  }
  EXPECT_THAT(firsts, SizeIs(4));
}

TEST(Responder, EdnsIsAnsweredInKind) {
  SmallCluster cluster;
  EXPECT_FALSE(cluster.ask("web.shop.svc.cluster.local").edns);
  const auto message = cluster.ask("web.shop.svc.cluster.local", Type::a, 4096);
  ASSERT_TRUE(message.edns);
  EXPECT_EQ(message.edns->udp_size, kMaxUdpSize);
  auto newer = make_query(1, name("web.shop.svc.cluster.local"), Type::a, 1232);
  newer[newer.size() - 5] = 1;  // version
  const auto refused = cluster.ask_bytes(newer);
  EXPECT_EQ(refused.rcode, Rcode::bad_version);
  EXPECT_EQ(refused.edns->version, 0);
}

TEST(Responder, ACookieIsAnsweredWithOneThatIsValidLater) {
  const SipKey key{1, 2, 3};
  SmallCluster cluster{{}, {.cookie_key = key}};
  auto query = make_query(1, name("web.shop.svc.cluster.local"), Type::a, 1232);
  query.back() = 12;
  const std::array<std::uint8_t, 12> option{0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
  query.insert(query.end(), option.begin(), option.end());
  const auto message = cluster.ask_bytes(query);
  ASSERT_TRUE(message.edns);
  EXPECT_TRUE(
      is_valid_cookie(key, message.edns->cookie, cluster.asking.client, cluster.asking.now));
}

TEST(Responder, AClientMayAskForACookieAlone) {
  SmallCluster cluster{{}, {.cookie_key = SipKey{1, 2, 3}}};
  std::vector<std::uint8_t> query{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};  // no question, OPT
  const std::array<std::uint8_t, 15> opt{0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8};
  query.insert(query.end(), opt.begin(), opt.end());
  query.insert(query.end(), 8, 7);
  const auto first = cluster.ask_bytes(query);
  EXPECT_EQ(first.rcode, Rcode::no_error);
  EXPECT_THAT(first.questions, IsEmpty());
  ASSERT_TRUE(first.edns);
  ASSERT_EQ(first.edns->cookie.size(), 24u);
  query[22] = 28;
  query[26] = 24;
  query.insert(query.end(), first.edns->cookie.begin() + 8, first.edns->cookie.end());
  EXPECT_EQ(cluster.ask_bytes(query).rcode, Rcode::no_error);
  query.back() ^= 1;
  EXPECT_EQ(cluster.ask_bytes(query).rcode, Rcode::bad_cookie);
  const std::vector<std::uint8_t> nothing{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(cluster.ask_bytes(nothing).rcode, Rcode::format_error);
}

TEST(Responder, WhatIsNotForUsIsRefusedNotDenied) {
  SmallCluster cluster{{}, {.allow = {*proxy::parse_prefix("10.0.0.0/8")}}};
  EXPECT_THAT(cluster.answer("web.shop.svc.cluster.local"), ElementsAre("REFUSED"));
  cluster.asking.client = ip("10.1.1.1");
  EXPECT_THAT(cluster.answer("web.shop.svc.cluster.local"), SizeIs(1));
  EXPECT_THAT(cluster.answer("www.example.org"), ElementsAre("REFUSED"));
  EXPECT_THAT(cluster.answer("local"), ElementsAre("REFUSED"));
  EXPECT_THAT(cluster.answer("cluster.local", Type::axfr), ElementsAre("REFUSED"));
  auto chaos = make_query(1, name("version.bind"), Type::txt, 0);
  chaos.back() = 3;
  EXPECT_EQ(cluster.ask_bytes(chaos).rcode, Rcode::refused);
  auto update = make_query(1, name("cluster.local"), Type::soa, 0);
  update[2] = 5 << 3;
  EXPECT_EQ(cluster.ask_bytes(update).rcode, Rcode::not_implemented);
}

TEST(Responder, AnyIsAnsweredMinimally) {
  SmallCluster cluster{{}, {.recursion = true}};
  EXPECT_THAT(cluster.answer("web.shop.svc.cluster.local", Type::any),
              ElementsAre("web.shop.svc.cluster.local. 5 IN HINFO \"RFC8482\" \"\""));
  EXPECT_THAT(cluster.answer("none.shop.svc.cluster.local", Type::any), ElementsAre("NXDOMAIN"));
  const auto outside = cluster.ask("example.org", Type::any);
  EXPECT_TRUE(outside.has(flag::kTruncated));
}

}  // namespace
}  // namespace dns::testing
