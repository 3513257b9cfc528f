// An API server that misbehaves in every way that API servers do. At the end of each test, what is
// known is what the server has: nothing lost, no phantoms.
#include "tests/proxy/sources/kubernetes/cluster.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace proxy::sources::kubernetes {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string address(int number) {
  return "10.96." + std::to_string(number / 250) + "." + std::to_string(1 + number % 250);
}

class Misbehaviour : public SourceTest {
 protected:
  void SetUp() override {
    SourceTest::SetUp();
    for (int i = 0; i < 20; ++i) put(i, i);
  }
  void put(int number, int ip) {
    const auto name = "s" + std::to_string(number);
    server.put("services", "shop/" + name, service_json("shop", name, address(ip)));
    server.put("endpointslices", "shop/" + name + "-abc", slice_json("shop", name, address(ip)));
  }
  void remove(int number) {
    const auto name = "s" + std::to_string(number);
    server.remove("services", "shop/" + name);
    server.remove("endpointslices", "shop/" + name + "-abc");
  }
  // Some objects come, some change, some go.
  void churn() {
    put(100 + round_, 7);
    put(3, 50 + round_);
    remove(10 + round_ % 10);
    ++round_;
  }
  void begin() {
    start();
    ASSERT_TRUE(is_complete());
    ASSERT_TRUE(is_watching());
  }
  void expect_recovery() {
    ASSERT_TRUE(settles()) << (sink.standing.empty() ? "" : sink.standing.front().what);
    expect_what_the_server_has();
    EXPECT_EQ(sink.address("shop", "s3"), address(50 + round_ - 1));
    EXPECT_TRUE(runs_until([&] { return sink.standing.empty(); })) << sink.standing.front().what;
    EXPECT_EQ(sink.replacements, 1) << "a snapshot in the middle";
  }

 private:
  int round_ = 0;
};

TEST_F(Misbehaviour, ConnectionsThatBreak) {
  begin();
  for (int i = 0; i < 5; ++i) {
    server.drop_connections();
    churn();
    ASSERT_TRUE(is_watching());
  }
  expect_recovery();
}

TEST_F(Misbehaviour, ConnectionsThatBreakWithinAnObject) {
  begin();
  for (int i = 0; i < 5; ++i) {
    churn();
    server.drop_within_object();
    churn();
    ASSERT_TRUE(is_watching());
  }
  expect_recovery();
}

TEST_F(Misbehaviour, WatchesThatStallWithinAnObject) {
  begin();
  churn();
  server.stall_within_object();
  churn();
  EXPECT_TRUE(runs_until([&] { return sink.has_heard("timed out"); }));
  expect_recovery();
}

TEST_F(Misbehaviour, AServerThatFallsSilentIsNoticedAndLeft) {
  begin();
  server.set_frozen(true);
  churn();
  ASSERT_TRUE(runs_until([&] {
    return !log.lines.empty() && log.lines.back().find("no sign of life") != std::string::npos;
  }));
  server.set_frozen(false);
  expect_recovery();
}

TEST_F(Misbehaviour, AQuietServerThatLivesIsNotLeft) {
  start([](auto& settings) { settings.timing.pulse_after = std::chrono::milliseconds{5}; });
  ASSERT_TRUE(is_complete());
  ASSERT_TRUE(is_watching());
  const auto watches = server.count_requests("watch=1");
  ASSERT_TRUE(runs_until([&] { return server.count_requests("/livez") >= 5; }));
  EXPECT_EQ(server.count_requests("watch=1"), watches);
  EXPECT_THAT(sink.heard, IsEmpty());
}

TEST_F(Misbehaviour, GoneAsAStatus) {
  begin();
  server.stop_listening();
  churn();
  server.compact();
  server.listen_again();
  expect_recovery();
  EXPECT_GE(server.count_requests("endpointslices?labelSelector=%21service.kubernetes.io%2Fheadless"
                                  "%2C%21service.kubernetes.io%2Fservice-proxy-name&watch=1"
                                  "&allowWatchBookmarks=true&sendInitialEvents=true"),
            2);
}

TEST_F(Misbehaviour, GoneAsAnEvent) {
  server.set_gone_as_event(true);
  begin();
  for (int i = 0; i < 3; ++i) {
    server.stop_listening();
    churn();
    server.compact();
    server.listen_again();
    ASSERT_TRUE(is_watching());
  }
  server.compact();
  server.send_error_event({.status = 410, .reason = "Expired", .message = "too old"});
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, GoneWhereListsComeInPages) {
  server.set_streaming(fakes::Streaming::refused);
  begin();
  server.stop_listening();
  churn();
  server.compact();
  server.listen_again();
  expect_recovery();
}

TEST_F(Misbehaviour, TooManyRequests) {
  server.refuse(3, "watch=1",
                {.status = 429, .reason = "TooManyRequests", .headers = "Retry-After: 0\r\n"});
  begin();
  server.refuse(6, "watch=1", {.status = 503, .reason = "ServiceUnavailable", .headers = ""});
  server.drop_connections();
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, RetryAfterIsObeyed) {
  server.refuse(1, "/services",
                {.status = 429, .reason = "TooManyRequests", .headers = "Retry-After: 3600\r\n"});
  start();
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("429"); }));
  ASSERT_TRUE(runs_until([&] { return server.watches() == 2; }));
  // The default back-off is 20 ms at most.
  const auto before = server.count_requests("/services");
  io.restart();
  io.run_for(std::chrono::milliseconds{200});
  EXPECT_EQ(server.count_requests("/services"), before);
  EXPECT_EQ(sink.replacements, 0);
}

TEST_F(Misbehaviour, BurstsOfErrors) {
  begin();
  server.refuse(25, "/api", {.status = 500});
  server.drop_connections();
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, EventsTwice) {
  server.set_duplicates(true);
  begin();
  for (int i = 0; i < 3; ++i) churn();
  expect_recovery();
}

TEST_F(Misbehaviour, EventsInTheWrongOrder) {
  begin();
  server.hold_events(true);
  churn();
  put(200, 1);
  put(200, 2);
  remove(200);  // arrives before the events that made it
  put(201, 1);
  remove(201);
  put(201, 2);
  churn();
  server.release_reversed();
  expect_recovery();
  EXPECT_EQ(sink.address("shop", "s201"), address(2));
}

TEST_F(Misbehaviour, BytesThatTrickle) {
  server.set_trickle(true);
  server.set_gzip(true, true);
  begin();
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, ContinueTokensThatExpire) {
  server.set_streaming(fakes::Streaming::refused);
  server.set_expire_tokens(true);
  for (int i = 300; i < 1000; ++i) {
    const auto name = "s" + std::to_string(i);
    server.put("services", "shop/" + name, service_json("shop", name, address(i)));
  }
  begin();
  churn();
  expect_recovery();
  EXPECT_GE(server.count_requests("continue="), 1);
}

TEST_F(Misbehaviour, NothingButBookmarks) {
  begin();
  for (int i = 0; i < 5; ++i) server.send_bookmarks();
  // What happens to others moves the version on; it can be watched from nowhere but the bookmark.
  server.put("pods", "shop/other", R"({"metadata":{"name":"other"}})");
  server.send_bookmarks();
  const auto newest = "resourceVersion=1048";
  server.drop_connections();
  ASSERT_TRUE(is_watching());
  EXPECT_THAT(server.requests().back(), HasSubstr("resourceVersion="));
  EXPECT_THAT(server.requests().back(), Not(HasSubstr("sendInitialEvents"))) << newest;
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, TokensThatRotate) {
  const auto file = testing::TempDir() + "viaduct-token-" + std::to_string(::getpid());
  const auto write = [&](const std::string& text) {
    std::ofstream{file + ".new"} << text << "\n";
    std::filesystem::rename(file + ".new", file);
  };
  write("one");
  server.set_token("one");
  start([&](auto& settings) { settings.access.token = {.data = {}, .file = file}; });
  ASSERT_TRUE(is_complete());
  server.set_token("two");
  server.drop_connections();
  churn();
  ASSERT_TRUE(runs_until([&] { return sink.has_heard("may not watch services: 401"); }));
  write("two");
  expect_recovery();
  std::filesystem::remove(file);
}

TEST_F(Misbehaviour, ACertificateThatChanges) {
  begin();
  server.set_key_pair(server.authority().issue("kube-apiserver", {"IP:127.0.0.1"}));
  server.drop_connections();
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, ACertificateThatIsNotGoodIsNotAccepted) {
  begin();
  const fakes::CertificateAuthority stranger;
  const auto expect_refusal = [&](const fakes::KeyPair& pair, const std::string& why) {
    sink.heard.clear();
    server.set_key_pair(pair);
    server.drop_connections();
    EXPECT_TRUE(runs_until([&] { return sink.has_heard("certificate: " + why); })) << why;
  };
  expect_refusal(stranger.issue("kube-apiserver", {"IP:127.0.0.1"}), "");
  expect_refusal(server.authority().issue("kube-apiserver", {"IP:127.0.0.2"}),
                 "IP address mismatch");
  expect_refusal(server.authority().issue_expired("kube-apiserver", {"IP:127.0.0.1"}),
                 "certificate has expired");
  churn();
  server.set_key_pair(server.authority().issue("kube-apiserver", {"IP:127.0.0.1"}));
  expect_recovery();
}

TEST_F(Misbehaviour, PermissionsThatAreMissingAreNamedAndWaitedFor) {
  server.refuse(4, "endpointslices",
                {.status = 403, .reason = "Forbidden", .message = "no such role"});
  begin();
  EXPECT_THAT(sink.heard, Contains(HasSubstr("may not watch endpointslices.discovery.k8s.io: 403 "
                                             "Forbidden: no such role")));
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, AServerThatRestarts) {
  begin();
  for (int i = 0; i < 3; ++i) {
    server.stop_listening();
    churn();
    ASSERT_TRUE(runs_until([&] { return sink.has_heard("Connection refused"); }));
    sink.heard.clear();
    server.listen_again();
    ASSERT_TRUE(is_watching());
  }
  expect_recovery();
}

TEST_F(Misbehaviour, NonsenseInsteadOfEvents) {
  begin();
  server.send_raw("]]]]\n");
  churn();
  ASSERT_TRUE(is_watching());
  server.send_raw(R"({"type":"ADDED"})");
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, ErrorsOfOtherKindsInTheStream) {
  begin();
  server.send_error_event({.status = 500, .reason = "InternalError", .message = "etcd away"});
  churn();
  ASSERT_TRUE(is_watching());
  server.send_error_event({.status = 429, .reason = "TooManyRequests", .message = "later"});
  churn();
  expect_recovery();
}

TEST_F(Misbehaviour, AVersionThatTheServerHasNeverHeardOf) {
  begin();
  // A database restored from a backup: each watch is refused, until everything is listed anew.
  server.refuse(9, "&resourceVersion=1",
                {.status = 504, .reason = "Timeout", .message = "Too large resource version"});
  server.drop_connections();
  churn();
  expect_recovery();
}

// ── several servers ─────────────────────────────────────────────────────────────────────────────

TEST_F(Misbehaviour, TheNextServerIsAskedWhenOneIsDead) {
  fakes::ApiServer second{{.tls = false}};
  second.put("nodes", "node-a", node_json("node-a"));
  second.put("services", "shop/second", service_json("shop", "second"));
  start([&](auto& settings) {
    auto first = settings.access.servers.front();
    settings.access.servers = {first, *parse_server(second.url())};
  });
  ASSERT_TRUE(is_complete());
  const bool began_with_first = second.watches() == 0;
  (began_with_first ? server : second).stop_listening();
  auto& other = began_with_first ? second : server;
  ASSERT_TRUE(runs_until([&] { return other.watches() == 3; }));
}

TEST_F(Misbehaviour, AServerThatAnswersNothingIsPassedOver) {
  server.set_frozen(true);
  fakes::ApiServer second{{.tls = false}};
  second.put("nodes", "node-a", node_json("node-a"));
  second.put("services", "shop/second", service_json("shop", "second"));
  start([&](auto& settings) {
    settings.access.servers = {settings.access.servers.front(), *parse_server(second.url())};
  });
  ASSERT_TRUE(is_complete());
  EXPECT_THAT(sink.services(), Contains("shop/second"));
}

}  // namespace
}  // namespace proxy::sources::kubernetes
