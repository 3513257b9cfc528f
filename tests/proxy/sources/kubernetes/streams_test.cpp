// Bytes to objects: HTTP, gzip, lists and watches, cut anywhere.
#include "proxy/sources/kubernetes/gunzip.hpp"
#include "proxy/sources/kubernetes/http_response.hpp"
#include "proxy/sources/kubernetes/json_stream.hpp"
#include "proxy/sources/kubernetes/resource.hpp"
#include "proxy/sources/kubernetes/watch_event.hpp"
#include "tests/fakes/api_server/gzip.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace proxy::sources::kubernetes {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Feeds `bytes` in pieces of `size`; false once it is refused.
bool in_pieces(std::string_view bytes, std::size_t size, const auto& feed) {
  while (!bytes.empty()) {
    if (!feed(bytes.substr(0, size))) return false;
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
  return true;
}

TEST(ValueStream, GivesTheSameValuesWhereverTheBytesAreCut) {
  const std::string text = " {\"a\":\"}\\\"{\"}\n{\"b\":[1,{\"c\":\"\\\\\"}]}{}\r\n";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    ValueStream stream;
    std::vector<std::string> values;
    EXPECT_TRUE(in_pieces(text, size, [&](auto piece) {
      return stream.feed(piece, [&](auto value) { values.emplace_back(value); }).has_value();
    }));
    EXPECT_THAT(values, ElementsAre(R"({"a":"}\"{"})", R"({"b":[1,{"c":"\\"}]})", "{}"));
    EXPECT_FALSE(stream.is_within_value());
  }
}

TEST(ValueStream, KnowsThatAValueIsIncomplete) {
  ValueStream stream;
  EXPECT_TRUE(stream.feed(R"({"a":)", [](auto) { FAIL(); }));
  EXPECT_TRUE(stream.is_within_value());
}

TEST(ValueStream, RefusesWhatIsNoObject) {
  for (const auto* text : {"]", "[]", "1 ", "\"x\"", ",{}", "null"}) {
    EXPECT_FALSE(ValueStream{}.feed(text, [](auto) {})) << text;
  }
}

TEST(ListStream, CutsItemsAndMembersWhereverTheBytesAreCut) {
  const std::string text =
      R"({"kind":"ServiceList","metadata":{"resourceVersion":"7"},"items":[{"a":"],"},{"b":{}}],"x":null})";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    ListStream stream;
    std::vector<std::string> seen;
    const ListStream::Receiver receiver{
        .item = [&](auto item) { seen.emplace_back(item); },
        .member = [&](auto key,
                      auto value) { seen.push_back(std::string{key} + "=" + std::string{value}); }};
    EXPECT_TRUE(in_pieces(text, size,
                          [&](auto piece) { return stream.feed(piece, receiver).has_value(); }));
    EXPECT_TRUE(stream.is_complete());
    EXPECT_THAT(seen, ElementsAre("kind=\"ServiceList\"", R"(metadata={"resourceVersion":"7"})",
                                  R"({"a":"],"})", R"({"b":{}})", "x=null"));
  }
}

TEST(ListStream, AnEmptyListMayBeNull) {
  for (const auto* text : {R"({"items":null})", R"({"items":[]})", "{}"}) {
    ListStream stream;
    EXPECT_TRUE(stream.feed(text, {.item = [](auto) { FAIL(); }, .member = [](auto, auto) {}}));
    EXPECT_TRUE(stream.is_complete());
  }
}

TEST(ListStream, RefusesWhatIsNoList) {
  for (const auto* text : {"[]", "{]", R"({"a" 1})", R"({"items":[1 2]})", R"({"items":[],})",
                           R"({"items":[]}x)", R"({,"a":1})"}) {
    ListStream stream;
    const bool good =
        stream.feed(text, {.item = [](auto) {}, .member = [](auto, auto) {}}).has_value();
    EXPECT_FALSE(good && stream.is_complete()) << text;
  }
}

// ── HTTP ────────────────────────────────────────────────────────────────────────────────────────

struct Received {
  std::string body;
  bool good = true;
  HttpResponse response;
};
Received receive(const std::string& bytes, std::size_t size) {
  Received received;
  const auto keep = [&](std::string_view piece) {
    received.body += piece;
    return Result<void>{};
  };
  received.good = in_pieces(
      bytes, size, [&](auto piece) { return received.response.feed(piece, keep).has_value(); });
  return received;
}

TEST(HttpResponses, ChunkedAndGzipped) {
  fakes::GzipStream gzip;
  std::string body;
  for (const std::string& piece : {gzip.add("hello "), gzip.add("world"), gzip.finish()}) {
    body += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  const auto bytes =
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + body +
      "0\r\n\r\n";
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
    auto received = receive(bytes, size);
    EXPECT_TRUE(received.good);
    EXPECT_EQ(received.body, "hello world");
    EXPECT_TRUE(received.response.is_done());
    EXPECT_TRUE(received.response.head().keep_alive);
  }
}

TEST(HttpResponses, ARefusalWithItsRetryAfter) {
  const auto received = receive(
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 12\r\nContent-Length: 2\r\n"
      "Connection: close\r\n\r\n{}",
      3);
  EXPECT_EQ(received.response.head().status, 429U);
  EXPECT_EQ(received.response.head().retry_after, std::chrono::seconds{12});
  EXPECT_FALSE(received.response.head().keep_alive);
  EXPECT_EQ(received.body, "{}");
}

TEST(HttpResponses, AnEndThatComesTooEarlyIsNoEnd) {
  auto received = receive("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 100);
  EXPECT_FALSE(received.response.finish([](auto) { return Result<void>{}; }));
  auto chunked = receive("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", 100);
  EXPECT_FALSE(chunked.response.finish([](auto) { return Result<void>{}; }));
}

TEST(HttpResponses, NonsenseIsRefused) {
  EXPECT_FALSE(receive("SSH-2.0-OpenSSH\r\n\r\n", 100).good);
  EXPECT_FALSE(receive("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'), 1000).good);
  EXPECT_FALSE(
      receive("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain", 100)
          .good);
}

// ── what the server says ────────────────────────────────────────────────────────────────────────

TEST(WatchEvents, AreCutWithoutBeingParsed) {
  const auto event = cut_event(R"({"object":{"a":1},"type":"DELETED"})").value();
  EXPECT_EQ(event.type, EventType::deleted);
  EXPECT_EQ(event.object, R"({"a":1})");
  EXPECT_EQ(cut_event(R"({"type":"NEWS","object":{}})").value().type, EventType::unknown);
  EXPECT_FALSE(cut_event(R"({"object":{}})"));
  EXPECT_FALSE(cut_event(R"({"type":"ADDED"})"));
}

TEST(WatchEvents, BookmarksMayEndTheInitialEvents) {
  records::json::Parser parser;
  EXPECT_FALSE(
      read_bookmark(parser, R"({"metadata":{"resourceVersion":"7"}})").value().initial_events_end);
  EXPECT_TRUE(
      read_bookmark(
          parser,
          R"({"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}})")
          .value()
          .initial_events_end);
  EXPECT_FALSE(read_bookmark(parser, R"({"metadata":{}})"));
}

TEST(WatchEvents, AStatusSaysWhyAndWhen) {
  records::json::Parser parser;
  const auto status = read_status(
      parser, R"({"code":410,"reason":"Expired","message":"m","details":{"retryAfterSeconds":3}})");
  EXPECT_EQ(status.code, 410U);
  EXPECT_EQ(status.retry_after, std::chrono::seconds{3});
  EXPECT_EQ(read_status(parser, "<html>").code, 0U);
}

TEST(Requests, AreSpelledAsTheApiWantsThem) {
  const Selection services{records::Kind::service, "!a/b,!c", ""};
  EXPECT_EQ(list_target(services, {.limit = 500}),
            "/api/v1/services?labelSelector=%21a%2Fb%2C%21c&limit=500");
  EXPECT_EQ(list_target({records::Kind::node, "", "metadata.name=n"}, {.not_older = "7"}),
            "/api/v1/nodes?fieldSelector=metadata.name%3Dn&resourceVersion=7&"
            "resourceVersionMatch=NotOlderThan");
  EXPECT_EQ(list_target({records::Kind::endpoint_slice, "", ""},
                        {.limit = 500, .go_on = "t+/", .not_older = "7"}),
            "/apis/discovery.k8s.io/v1/endpointslices?limit=500&continue=t%2B%2F");
  EXPECT_EQ(watch_target({records::Kind::endpoints, "", ""}, "9", std::chrono::seconds{300}),
            "/api/v1/endpoints?watch=1&allowWatchBookmarks=true&resourceVersion=9&"
            "timeoutSeconds=300");
  EXPECT_EQ(streaming_list_target({records::Kind::name_space, "", ""}, "", std::chrono::seconds{1}),
            "/api/v1/namespaces?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&"
            "resourceVersionMatch=NotOlderThan&resourceVersion=&timeoutSeconds=1");
}

}  // namespace
}  // namespace proxy::sources::kubernetes
