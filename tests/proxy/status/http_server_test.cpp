#include "proxy/status/http_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <optional>
#include <thread>

namespace proxy::status {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

HttpReply describe(const HttpRequest& request) {
  if (request.path == "/missing") return {.status = 404, .body = "no such page\n"};
  return {.content_type = "application/json",
          .body = request.method + " " + request.path,
          .headers = {{"X-Extra", "yes"}}};
}

// A server on a port of its own in a thread of its own.
class Served {
 public:
  explicit Served(HttpLimits limits = {}, IpAddress address = IpAddress::loopback(Family::v4))
      : server_{io_.get_executor(), replying(describe), limits} {
    const auto listening = server_.listen({address, Port{0}});
    EXPECT_TRUE(listening) << listening.error();
    port_ = listening->port;
    thread_ = std::thread{[this] { io_.run(); }};
  }
  ~Served() {
    asio::post(io_, [this] { server_.stop(); });
    thread_.join();
  }
  tcp::socket connect(const char* host = "127.0.0.1") {
    tcp::socket socket{client_io_};
    socket.connect({asio::ip::make_address(host), port_.value});
    return socket;
  }
  // Sends `request` and returns all that comes back until the server closes.
  std::string exchange(const std::string& request, const char* host = "127.0.0.1") {
    auto socket = connect(host);
    boost::system::error_code ec;
    asio::write(socket, asio::buffer(request), ec);
    return rest_of(socket);
  }
  static std::string rest_of(tcp::socket& socket) {
    std::string reply;
    boost::system::error_code ec;
    asio::read(socket, asio::dynamic_buffer(reply), ec);
    return reply;
  }

 private:
  asio::io_context io_;
  asio::io_context client_io_;
  HttpServer server_;
  Port port_;
  std::thread thread_;
};

std::string get(const std::string& path, const std::string& more = "Connection: close\r\n") {
  return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n";
}

TEST(HttpServer, AnswersWithWhatTheHandlerSays) {
  Served server;
  const auto reply = server.exchange(get("/healthz?verbose=1"));
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(reply, HasSubstr("X-Extra: yes\r\n"));
  EXPECT_THAT(reply, EndsWith("\r\n\r\nGET /healthz"));
  EXPECT_THAT(server.exchange(get("/missing")), StartsWith("HTTP/1.1 404 Not Found\r\n"));
}

TEST(HttpServer, AnswersSeveralRequestsOnOneConnection) {
  Served server;
  const auto replies = server.exchange(get("/a", "") + get("/b", "") + get("/c"));
  EXPECT_THAT(replies, HasSubstr("GET /a"));
  EXPECT_THAT(replies, HasSubstr("GET /b"));
  EXPECT_THAT(replies, EndsWith("GET /c"));
}

TEST(HttpServer, WaitsForAHandlerThatAnswersLater) {
  asio::io_context io;
  std::vector<HttpRespond> waiting;
  HttpServer server{io.get_executor(), [&](const HttpRequest&, HttpRespond respond) {
                      waiting.push_back(std::move(respond));
                    }};
  const auto listening = server.listen({IpAddress::loopback(Family::v4), Port{0}});
  ASSERT_TRUE(listening);
  asio::io_context client_io;
  tcp::socket client{client_io};
  client.connect({asio::ip::make_address("127.0.0.1"), listening->port.value});
  asio::write(client, asio::buffer(get("/later")));
  while (waiting.empty()) io.run_one();
  waiting.front()({.body = "at last"});
  std::string reply;
  client.non_blocking(true);
  for (boost::system::error_code ec; ec != asio::error::eof;) {
    (void)io.run_one_for(std::chrono::milliseconds{1});
    std::array<char, 512> some{};
    reply.append(some.data(), client.read_some(asio::buffer(some), ec));
  }
  EXPECT_THAT(reply, EndsWith("at last"));
}

TEST(HttpServer, LetsAConnectionGoWhoseHandlerNeverAnswers) {
  asio::io_context io;
  HttpServer server{io.get_executor(), [](const HttpRequest&, const HttpRespond&) {},
                    HttpLimits{.request_time = std::chrono::seconds{0}}};
  const auto listening = server.listen({IpAddress::loopback(Family::v4), Port{0}});
  ASSERT_TRUE(listening);
  std::thread thread{[&] { io.run(); }};
  asio::io_context client_io;
  tcp::socket client{client_io};
  client.connect({asio::ip::make_address("127.0.0.1"), listening->port.value});
  boost::system::error_code ec;
  asio::write(client, asio::buffer(get("/never")), ec);
  EXPECT_THAT(Served::rest_of(client), IsEmpty());
  asio::post(io, [&] { server.stop(); });
  thread.join();
}

TEST(HttpServer, SendsNoBodyForHead) {
  Served server;
  const auto reply =
      server.exchange("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(reply, HasSubstr("Content-Length: 13\r\n"));
  EXPECT_THAT(reply, EndsWith("\r\n\r\n"));
}

TEST(HttpServer, UnderstandsTheOlderProtocolOfSomeProbers) {
  Served server;
  EXPECT_THAT(server.exchange("GET / HTTP/1.0\r\n\r\n"), EndsWith("GET /"));
}

TEST(HttpServer, RefusesWhatIsNotHttpOrTooLarge) {
  Served server;
  EXPECT_THAT(server.exchange("\x16\x03\x01 what is this\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(server.exchange(get("/", "X: " + std::string(9000, 'x') + "\r\n")),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(server.exchange("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST(HttpServer, IgnoresAShortBody) {
  Served server;
  EXPECT_THAT(server.exchange("POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" + get("/y")),
              AllOf(HasSubstr("POST /x"), EndsWith("GET /y")));
}

TEST(HttpServer, SilentConnectionsDoNotKeepOthersOut) {
  Served server{{.connections = 2}};
  auto oldest = server.connect();
  auto second = server.connect();
  auto third = server.connect();
  EXPECT_THAT(Served::rest_of(oldest), IsEmpty());  // closed to make room
  EXPECT_THAT(server.exchange(get("/")), EndsWith("GET /"));
}

TEST(HttpServer, EndsAConnectionAfterItsShareOfRequests) {
  Served server{{.requests_per_connection = 1}};
  EXPECT_THAT(server.exchange(get("/a", "") + get("/b", "")), EndsWith("GET /a"));
}

TEST(HttpServer, OnTheUnspecifiedAddressServesBothFamilies) {
  Served server{{}, IpAddress::any(Family::v4)};
  EXPECT_THAT(server.exchange(get("/four"), "127.0.0.1"), EndsWith("GET /four"));
  EXPECT_THAT(server.exchange(get("/six"), "::1"), EndsWith("GET /six"));
}

TEST(HttpServer, SaysWhyItCannotListen) {
  asio::io_context io;
  HttpServer first{io.get_executor(), replying(describe)};
  const auto taken = first.listen({IpAddress::loopback(Family::v4), Port{0}});
  ASSERT_TRUE(taken);
  HttpServer second{io.get_executor(), replying(describe)};
  const auto failed = second.listen(*taken);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, std::errc::address_in_use);
  EXPECT_THAT(failed.error().text(), StartsWith("listen on 127.0.0.1:"));
}

}  // namespace
}  // namespace proxy::status
