// The whole server on loopback: real sockets and threads, a fake upstream.
#include "dns/serve/server.hpp"

#include "tests/dns/client.hpp"
#include "tests/dns/cluster.hpp"
#include "tests/dns/fake_upstream.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

namespace dns::serve {
namespace {

using namespace std::chrono_literals;
using dns::testing::ask_udp;
using dns::testing::FakeUpstream;
using dns::testing::ip;
using dns::testing::name;
using dns::testing::service;
using dns::testing::TcpClient;
using dns::testing::UdpClient;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kWeb = "web.shop.svc.cluster.local";

// Remembers the first error.
struct TestLog : proxy::Log {
  TestLog() : Log{0} {}
  void write(proxy::Severity severity, std::string_view text) override {
    if (severity == proxy::Severity::error && !told_.exchange(true)) {
      error.set_value(std::string{text});
    }
  }
  std::promise<std::string> error;

 private:
  std::atomic<bool> told_{false};
};

class ServerTest : public ::testing::Test {
 protected:
  static ServerOptions options() {
    ServerOptions made;
    made.listen = {{IpAddress::loopback(Family::v4), {0}}};
    made.workers = 2;
    made.zone.domain = name("cluster.local");
    return made;
  }
  static ServerOptions forwarding(std::vector<const FakeUpstream*> upstreams) {
    auto made = options();
    for (const auto* upstream : upstreams) {
      made.forward.upstreams.push_back({upstream->address(), false, {}});
    }
    return made;
  }
  void start(ServerOptions options) {
    auto started = Server::start(std::move(options), log_);
    ASSERT_TRUE(started) << started.error();
    server_ = std::move(*started);
    at_ = server_->addresses().at(0);
    const std::vector<proxy::records::Record> all{
        service("shop", "web", {"10.96.0.1"}),
        dns::testing::external("shop", "db", "db.example.org")};
    server_->replace(all);
  }
  [[nodiscard]] std::vector<std::string> answer(std::string_view question, Type type = Type::a) {
    const auto message = ask_udp(at_, question, type);
    if (!message) return {"silence"};
    if (message->answer.empty()) return {std::string{rcode_label(message->rcode)}};
    return dns::testing::Cluster::texts(message->answer);
  }

  TestLog log_;
  std::unique_ptr<Server> server_;
  proxy::config::SocketAddress at_;
};

FakeUpstream::Script always(FakeUpstream::Reply reply) {
  return [reply](const std::string&, Type) { return reply; };
}

TEST_F(ServerTest, AnswersByUdpAndByTcp) {
  start(options());
  EXPECT_THAT(answer(kWeb), ElementsAre("web.shop.svc.cluster.local. 5 IN A 10.96.0.1"));
  TcpClient client{at_};
  client.send(1, kWeb);
  EXPECT_EQ(client.receive()->answer.at(0).data, "10.96.0.1");
}

TEST_F(ServerTest, AChangeShowsInTheNextAnswer) {
  start(options());
  for (int i = 2; i < 100; ++i) {
    const auto address = "10.96.0." + std::to_string(i);
    const std::vector<proxy::sources::Change> changes{
        proxy::records::Record{service("shop", "web", {address})}};
    server_->change(changes);
    EXPECT_EQ(ask_udp(at_, kWeb)->answer.at(0).data, address);
  }
}

TEST_F(ServerTest, NoAnswerFailsOrMixesTwoStatesWhileRecordsChange) {
  const auto ring = dns::testing::headless("shop", "ring");
  const std::vector<dns::testing::End> states[] = {
      {{"10.0.0.1"}, {"10.0.0.2"}}, {{"10.0.1.1"}, {"10.0.1.2"}, {"10.0.1.3"}, {"10.0.1.4"}}};
  start(options());
  const auto put = [&](std::size_t state) {
    std::vector<proxy::sources::Change> changes;
    changes.emplace_back(proxy::records::Record{ring});
    changes.emplace_back(proxy::records::Record{dns::testing::slice(ring, "1", states[state % 2])});
    server_->change(changes);
  };
  put(0);
  std::atomic<bool> done{false};
  std::atomic<int> asked{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      for (; !done; ++asked) {
        std::set<std::string> seen;
        const auto message = ask_udp(at_, "ring.shop.svc.cluster.local");
        if (message) {
          for (const auto& record : message->answer) seen.insert(record.data);
        }
        const bool is_one_state =
            std::any_of(std::begin(states), std::end(states), [&](const auto& state) {
              return seen.size() == state.size() &&
                     std::all_of(state.begin(), state.end(),
                                 [&](const auto& end) { return seen.contains(end.address); });
            });
        wrong += is_one_state ? 0 : 1;
      }
    });
  }
  for (std::size_t state = 1; asked < 2000; ++state) put(state);
  done = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0) << "of " << asked;
}

TEST_F(ServerTest, OnAnyAddressRepliesComeFromTheOneThatWasAsked) {
  for (const auto family : proxy::kFamilies) {
    auto any = options();
    any.listen = {{IpAddress::any(family), {0}}};
    start(std::move(any));
    at_.address = family == Family::v4 ? ip("127.0.0.77") : ip("::1");
    EXPECT_THAT(answer(kWeb), SizeIs(1));  // a connected socket takes no other sender
    server_->stop();
  }
}

TEST_F(ServerTest, SeveralAddressesAreServedAtOnce) {
  auto two = options();
  two.listen.push_back({IpAddress::loopback(Family::v6), {0}});
  start(std::move(two));
  at_ = server_->addresses().at(1);
  EXPECT_EQ(at_.address.family(), Family::v6);
  EXPECT_THAT(answer(kWeb), SizeIs(1));
}

TEST_F(ServerTest, AnAddressThatIsTakenByOthersIsAnError) {
  start(options());
  auto foreign = options();
  foreign.listen = {{ip("203.0.113.1"), {53}}};
  const auto failed = Server::start(std::move(foreign), log_);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().text(), HasSubstr("203.0.113.1:53"));
}

// ── TCP ─────────────────────────────────────────────────────────────────────────────────────────

TEST_F(ServerTest, PipelinedQueriesAreAllAnsweredAlsoAfterTheClientHasClosedItsSide) {
  start(options());
  TcpClient client{at_};
  for (std::uint16_t id = 0; id < 200; ++id) client.send(id, kWeb);
  client.shut_down();
  std::set<std::uint16_t> ids;
  while (const auto message = client.receive()) ids.insert(message->id);
  EXPECT_THAT(ids, SizeIs(200));
}

TEST_F(ServerTest, AFrameTooShortForAMessageEndsTheConnection) {
  start(options());
  TcpClient client{at_};
  const std::array<std::uint8_t, 5> frame{0, 3, 1, 2, 3};
  client.send_raw(frame);
  EXPECT_FALSE(client.receive());
}

TEST_F(ServerTest, IdleConnectionsAreClosed) {
  auto impatient = options();
  impatient.tcp.idle = 50ms;
  start(std::move(impatient));
  TcpClient client{at_};
  EXPECT_FALSE(client.receive());  // ends by the server's doing, not by the client's time-out
}

TEST_F(ServerTest, OneClientCannotTakeAllConnections) {
  auto few = options();
  few.tcp.connections_per_client = 2;
  start(std::move(few));
  TcpClient first{at_};
  TcpClient second{at_};
  for (auto* client : {&first, &second}) {
    client->send(1, kWeb);
    EXPECT_TRUE(client->receive());
  }
  TcpClient third{at_};
  EXPECT_FALSE(third.receive());
}

TEST_F(ServerTest, WhenConnectionsRunOutTheOneIdleLongestGoes) {
  auto few = options();
  few.tcp.connections = 2;
  start(std::move(few));
  TcpClient first{at_};
  first.send(1, kWeb);
  EXPECT_TRUE(first.receive());
  TcpClient second{at_};
  second.send(1, kWeb);
  EXPECT_TRUE(second.receive());
  TcpClient third{at_};
  third.send(1, kWeb);
  EXPECT_TRUE(third.receive());
  EXPECT_FALSE(first.receive());
}

// ── forwarding ──────────────────────────────────────────────────────────────────────────────────

TEST_F(ServerTest, OutsideNamesAreForwardedOnceAndCached) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}})};
  start(forwarding({&upstream}));
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(answer("www.example.org"), ElementsAre("www.example.org. 60 IN A 192.0.2.1"));
  }
  EXPECT_EQ(upstream.asked("www.example.org."), 1);
  EXPECT_THAT(server_->metrics(), HasSubstr("coredns_cache_hits_total{server=\"dns://" +
                                            at_.text() + "\",type=\"success\"} 4\n"));
}

TEST_F(ServerTest, ManyClientsWithOneQuestionAreOneQuestion) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}})};
  start(forwarding({&upstream}));
  upstream.hold();
  std::vector<std::future<std::vector<std::string>>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::async(std::launch::async, [this] { return answer("www.example.org"); }));
  }
  upstream.wait_for("www.example.org.", 1);
  upstream.release();
  for (auto& client : clients) EXPECT_THAT(client.get(), SizeIs(1));
  EXPECT_EQ(upstream.asked("www.example.org."), 1);
}

TEST_F(ServerTest, WithoutTheCacheEveryQuestionIsAsked) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}})};
  auto plain = forwarding({&upstream});
  plain.forward.cache = false;
  start(std::move(plain));
  EXPECT_THAT(answer("www.example.org"), SizeIs(1));
  EXPECT_THAT(answer("www.example.org"), SizeIs(1));
  EXPECT_EQ(upstream.asked("www.example.org."), 2);
}

TEST_F(ServerTest, DenialsAreCachedToo) {
  FakeUpstream upstream{always({.rcode = Rcode::name_error})};
  start(forwarding({&upstream}));
  EXPECT_THAT(answer("none.example.org"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(answer("none.example.org"), ElementsAre("NXDOMAIN"));
  EXPECT_EQ(upstream.asked("none.example.org."), 1);
}

TEST_F(ServerTest, AnAliasIsFollowedUpstream) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}})};
  start(forwarding({&upstream}));
  for (int i = 0; i < 2; ++i) {  // asked for, then from the cache
    EXPECT_THAT(answer("db.shop.svc.cluster.local"),
                ElementsAre("db.shop.svc.cluster.local. 5 IN CNAME db.example.org.",
                            "db.example.org. 60 IN A 192.0.2.1"));
  }
  EXPECT_EQ(upstream.asked("db.example.org."), 1);
}

TEST_F(ServerTest, WhatUdpTruncatesIsAskedAgainByTcp) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}, .truncate_udp = true})};
  start(forwarding({&upstream}));
  EXPECT_THAT(answer("www.example.org"), SizeIs(1));
  EXPECT_EQ(upstream.asked("www.example.org."), 2);
  EXPECT_GE(upstream.asked_by_tcp(), 1);
}

TEST_F(ServerTest, AReplyCutShortByTcpIsNoAnswer) {
  FakeUpstream upstream{always({.truncate_udp = true, .truncate_tcp = true})};
  auto impatient = forwarding({&upstream});
  impatient.forward.deadline = 300ms;
  start(std::move(impatient));
  EXPECT_THAT(answer("www.example.org"), ElementsAre("SERVFAIL"));
}

TEST_F(ServerTest, ForgedRepliesAreNotBelieved) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}, .wrong_id = 1})};
  start(forwarding({&upstream}));
  EXPECT_THAT(answer("www.example.org"), SizeIs(1));
}

TEST_F(ServerTest, AnUpstreamWithoutEdnsIsAskedWithout) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}, .edns_is_an_error = true})};
  start(forwarding({&upstream}));
  EXPECT_THAT(answer("www.example.org"), SizeIs(1));
}

TEST_F(ServerTest, AnotherUpstreamIsAskedWhenOneIsSilentOrFails) {
  FakeUpstream silent{always({.silent = true})};
  FakeUpstream failing{always({.rcode = Rcode::server_failure})};
  FakeUpstream good{always({.a = {"192.0.2.1"}})};
  start(forwarding({&silent, &failing, &good}));
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(answer(std::to_string(i) + ".example.org"), SizeIs(1));
  }
}

TEST_F(ServerTest, AFailureOfAllUpstreamsIsPassedOn) {
  FakeUpstream failing{always({.rcode = Rcode::server_failure})};
  start(forwarding({&failing}));
  EXPECT_THAT(answer("www.example.org"), ElementsAre("SERVFAIL"));
  EXPECT_THAT(answer("www.example.org"), ElementsAre("SERVFAIL"));
  EXPECT_EQ(failing.asked("www.example.org."), 1);  // kept for a while, RFC 2308 §7.1
}

TEST_F(ServerTest, NobodyToAskIsAServerFailure) {
  auto nobody = options();
  proxy::config::SocketAddress closed;
  {
    const FakeUpstream gone{always({})};
    closed = gone.address();
  }
  nobody.forward.upstreams = {{closed, false, {}}};
  nobody.forward.deadline = 300ms;
  start(std::move(nobody));
  EXPECT_THAT(answer("www.example.org"), ElementsAre("SERVFAIL"));
  EXPECT_THAT(answer(kWeb), SizeIs(1));
}

TEST_F(ServerTest, AnExpiredAnswerIsGivenWhenNobodyHasABetterOne) {
  for (const auto failure : {Rcode::server_failure, Rcode::refused}) {
    std::atomic<bool> broken{false};
    FakeUpstream upstream{[&](const std::string&, Type) {
      return FakeUpstream::Reply{
          .rcode = broken ? failure : Rcode::no_error, .a = {"192.0.2.1"}, .ttl = 1};
    }};
    start(forwarding({&upstream}));
    EXPECT_THAT(answer("www.example.org"), SizeIs(1));
    broken = true;
    // Asks until the answer is past its second: from then on it is the stale one, TTL 30 (RFC
    // 8767).
    std::uint32_t ttl = 1;
    while (ttl <= 1) {
      const auto message = ask_udp(at_, "www.example.org");
      ASSERT_TRUE(message && message->answer.size() == 1);
      ttl = message->answer[0].ttl;
    }
    EXPECT_EQ(ttl, 30u);
  }
}

// In the last tenth of its second; asked all the time, it is met there in one of its lives.
TEST_F(ServerTest, APopularAnswerIsFetchedAgainBeforeItsTimeIsUp) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}, .ttl = 1})};
  start(forwarding({&upstream}));
  const auto none = HasSubstr("coredns_cache_prefetch_total 0\n");
  while (::testing::Matches(none)(server_->metrics())) {
    ASSERT_THAT(answer("www.example.org"), SizeIs(1));
  }
  upstream.wait_for("www.example.org.", 2);
}

TEST_F(ServerTest, TheLongestStubDomainDecidesWhoIsAsked) {
  FakeUpstream all{always({.a = {"192.0.2.1"}})};
  FakeUpstream corp{always({.a = {"192.0.2.2"}})};
  FakeUpstream lab{always({.a = {"192.0.2.3"}})};
  auto stubs = forwarding({&all});
  stubs.forward.stub_domains.push_back({name("corp.example"), {{corp.address(), false, {}}}});
  stubs.forward.stub_domains.push_back({name("lab.corp.example"), {{lab.address(), false, {}}}});
  start(std::move(stubs));
  EXPECT_EQ(ask_udp(at_, "www.example")->answer.at(0).data, "192.0.2.1");
  EXPECT_EQ(ask_udp(at_, "www.corp.example")->answer.at(0).data, "192.0.2.2");
  EXPECT_EQ(ask_udp(at_, "www.lab.corp.example")->answer.at(0).data, "192.0.2.3");
}

TEST_F(ServerTest, QuestionsOverTheLimitGetAServerFailureAtOnce) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}})};
  auto narrow = forwarding({&upstream});
  narrow.forward.max_questions = 1;
  start(std::move(narrow));
  upstream.hold();
  auto first = std::async(std::launch::async, [this] { return answer("one.example.org"); });
  upstream.wait_for("one.example.org.", 1);
  EXPECT_THAT(answer("two.example.org"), ElementsAre("SERVFAIL"));
  upstream.release();
  EXPECT_THAT(first.get(), SizeIs(1));
}

TEST_F(ServerTest, ForwardedQueriesOfOneConnectionAreAllAnswered) {
  FakeUpstream upstream{always({.a = {"192.0.2.1"}})};
  start(forwarding({&upstream}));
  TcpClient client{at_};
  for (std::uint16_t id = 0; id < 50; ++id) client.send(id, std::to_string(id) + ".example.org");
  client.shut_down();
  std::set<std::uint16_t> ids;
  while (const auto message = client.receive()) {
    EXPECT_THAT(message->answer, SizeIs(1));
    ids.insert(message->id);
  }
  EXPECT_THAT(ids, SizeIs(50));
}

TEST_F(ServerTest, AnUpstreamThatLeadsBackIsNotUsedAndTheZoneIsStillServed) {
  auto looping = options();
  // Its own address is not known before it listens, so another server stands between.
  proxy::config::SocketAddress self;
  std::mutex mutex;
  FakeUpstream relay{[&](const std::string& question, Type type) {
    const std::lock_guard lock{mutex};
    if (self.port.value != 0) (void)ask_udp(self, question, type);
    return FakeUpstream::Reply{.rcode = Rcode::server_failure};
  }};
  looping.forward.upstreams = {{relay.address(), false, {}}};
  {
    const std::lock_guard lock{mutex};
    start(std::move(looping));
    self = at_;
  }
  EXPECT_THAT(log_.error.get_future().get(), HasSubstr(relay.address().text()));
  EXPECT_THAT(answer("www.example.org"), ElementsAre("SERVFAIL"));
  EXPECT_EQ(relay.asked("www.example.org."), 0);
  EXPECT_THAT(answer(kWeb), SizeIs(1));
}

TEST_F(ServerTest, TheRateLimitCutsUdpRepliesShortAndLeavesTcpAlone) {
  auto limited = options();
  limited.workers = 1;
  limited.rate_limit = 5;
  start(std::move(limited));
  UdpClient flood{at_};
  for (std::uint16_t id = 0; id < 40; ++id) flood.send(id, kWeb);
  auto reply = flood.receive();
  while (reply && !reply->has(flag::kTruncated)) reply = flood.receive();
  ASSERT_TRUE(reply);
  EXPECT_THAT(reply->answer, IsEmpty());
  TcpClient client{at_};
  client.send(1, kWeb);
  EXPECT_FALSE(client.receive()->has(flag::kTruncated));
}

TEST_F(ServerTest, StoppingAnswersWhatHasArrived) {
  start(options());
  EXPECT_THAT(answer(kWeb), SizeIs(1));
  server_->stop();
  server_->stop();
  EXPECT_TRUE(server_->ready());
}

}  // namespace
}  // namespace dns::serve
