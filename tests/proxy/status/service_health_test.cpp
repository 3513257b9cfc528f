#include "proxy/status/service_health.hpp"

#include "tests/fakes/fake_log.hpp"
#include "tests/fakes/records.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace proxy::status {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

TEST(ServiceHealthReply, IsKubeProxys) {
  const auto reply = service_health_reply({"ns1", "svc1"}, 18, true);
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_THAT(reply.headers, Contains(Pair("X-Load-Balancing-Endpoint-Weight", "18")));
  EXPECT_THAT(reply.headers, Contains(Pair("X-Content-Type-Options", "nosniff")));
  EXPECT_EQ(reply.body, R"({"service":{"namespace":"ns1","name":"svc1"},"localEndpoints":18,)"
                        R"("serviceProxyHealthy":true})");
}

TEST(ServiceHealthReply, IsNegativeWithoutEndpointsOrWhileTheProxyIsUnhealthy) {
  EXPECT_EQ(service_health_reply({"ns", "a"}, 0, true).status, 503U);
  const auto unhealthy = service_health_reply({"ns", "a"}, 7, false);
  EXPECT_EQ(unhealthy.status, 503U);
  EXPECT_THAT(unhealthy.headers, Contains(Pair("X-Load-Balancing-Endpoint-Weight", "7")));
}

std::vector<std::string> addresses(const NodePortAddresses& wanted, Family family) {
  const std::vector local{parse_ip("10.0.0.1").value(), parse_ip("127.0.0.1").value(),
                          parse_ip("192.168.0.2").value(), parse_ip("::1").value(),
                          parse_ip("fd00::2").value()};
  const std::vector primary{parse_ip("192.168.0.2").value()};
  std::vector<std::string> texts;
  for (const auto& address : health_check_addresses(wanted, family, local, primary)) {
    texts.push_back(address.text());
  }
  return texts;
}

TEST(HealthCheckAddresses, AreThoseOfNodePorts) {
  EXPECT_THAT(addresses({}, Family::v4), ElementsAre("0.0.0.0"));
  EXPECT_THAT(addresses({}, Family::v6), ElementsAre("::"));
  const NodePortAddresses loopback{.primary = false,
                                   .ranges = {parse_prefix("127.0.0.0/8").value()}};
  EXPECT_THAT(addresses(loopback, Family::v4), ElementsAre("127.0.0.1"));
  EXPECT_THAT(addresses(loopback, Family::v6), ElementsAre("::"));
  const NodePortAddresses elsewhere{.primary = false,
                                    .ranges = {parse_prefix("172.16.0.0/12").value()}};
  EXPECT_THAT(addresses(elsewhere, Family::v4), IsEmpty());
  const NodePortAddresses primary{.primary = true, .ranges = {}};
  EXPECT_THAT(addresses(primary, Family::v4), ElementsAre("192.168.0.2"));
  EXPECT_THAT(addresses(primary, Family::v6), ElementsAre("::"));
  const NodePortAddresses everything{.primary = false,
                                     .ranges = {parse_prefix("0.0.0.0/0").value()}};
  EXPECT_THAT(addresses(everything, Family::v4), ElementsAre("0.0.0.0"));
}

// A port that nobody listens on; another process may take it, but hardly in this moment.
Port free_port() {
  asio::io_context io;
  const tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  return Port{acceptor.local_endpoint().port()};
}

records::Record balanced(const std::string& name, Port port) {
  auto service = fakes::service(name, 9);
  service.type = records::ServiceType::load_balancer;
  service.ports[0].node_port = Port{30001};
  service.external_policy = records::TrafficPolicy::local;
  service.health_check_node_port = port;
  return service;
}

records::Record local_endpoints(const std::string& service, std::uint8_t count) {
  records::EndpointSlice slice;
  slice.name = {"ns", service + "-1"};
  slice.service = service;
  slice.ports = {{.name = "", .port = Port{80}}};
  for (std::uint8_t i = 1; i <= count; ++i) {
    records::SliceEndpoint endpoint;
    endpoint.address = IpAddress::v4(0x0a000000U | i);
    endpoint.node = std::make_shared<const std::string>("node-a");
    slice.endpoints.push_back(std::move(endpoint));
  }
  return slice;
}

class ServiceHealthTest : public testing::Test {
 protected:
  void change(records::Record record) { table_.change({std::move(record)}); }
  void sync() {
    health_.began(table_);
    health_.written();
  }
  // The reply's first line, or "refused".
  std::string ask(Port port) {
    asio::io_context client_io;
    tcp::socket socket{client_io};
    boost::system::error_code ec;
    socket.connect({asio::ip::address_v4::loopback(), port.value}, ec);
    if (ec) return "refused";
    std::string reply;
    asio::write(socket, asio::buffer(std::string{"GET / HTTP/1.0\r\n\r\n"}));
    bool closed = false;
    asio::async_read(socket, asio::dynamic_buffer(reply),
                     [&](boost::system::error_code, std::size_t) { closed = true; });
    while (!closed) {
      io_.restart();
      io_.poll();
      client_io.restart();
      client_io.poll();
    }
    return reply;
  }

  asio::io_context io_;
  fakes::FakeLog log_;
  state::ServiceTable table_{{.name = "node-a"}};
  bool proxy_healthy_ = true;
  ServiceHealth health_{{.executor = io_.get_executor(),
                         .log = log_,
                         .addresses = {},
                         .local_addresses = [] { return std::vector<IpAddress>{}; },
                         .proxy_healthy = [this] { return proxy_healthy_; }}};
};

TEST_F(ServiceHealthTest, FollowsTheServiceAndItsLocalEndpoints) {
  const auto port = free_port();
  change(balanced("a", port));
  EXPECT_EQ(ask(port), "refused");
  sync();
  EXPECT_THAT(ask(port), StartsWith("HTTP/1.0 503"));
  change(local_endpoints("a", 3));
  EXPECT_THAT(ask(port), StartsWith("HTTP/1.0 503"));  // not written yet
  sync();
  EXPECT_THAT(ask(port), StartsWith("HTTP/1.0 200"));
  EXPECT_THAT(ask(port), HasSubstr("\"localEndpoints\":3"));
  proxy_healthy_ = false;
  EXPECT_THAT(ask(port), StartsWith("HTTP/1.0 503"));
  table_.change({fakes::without_service("a")});
  sync();
  EXPECT_EQ(ask(port), "refused");
}

TEST_F(ServiceHealthTest, WhatAFailedSyncWasToWriteIsShownAfterTheNext) {
  const auto port = free_port();
  change(balanced("a", port));
  health_.began(table_);  // fails
  EXPECT_EQ(ask(port), "refused");
  sync();
  EXPECT_THAT(ask(port), StartsWith("HTTP/1.0 503"));
}

TEST_F(ServiceHealthTest, MovesWithItsPort) {
  const auto before = free_port();
  change(balanced("a", before));
  sync();
  const auto after = free_port();
  change(balanced("a", after));
  sync();
  EXPECT_EQ(ask(before), "refused");
  EXPECT_THAT(ask(after), StartsWith("HTTP/1.0 503"));
}

TEST_F(ServiceHealthTest, APortInUseIsSaidOnceAndTriedAgain) {
  asio::io_context other_io;
  auto other = std::make_unique<tcp::acceptor>(other_io, tcp::endpoint{tcp::v4(), 0});
  const Port port{other->local_endpoint().port()};
  change(balanced("a", port));
  sync();
  sync();
  ASSERT_EQ(log_.lines.size(), 1U);
  EXPECT_THAT(log_.lines[0], StartsWith("error Service ns/a: health check node port "));
  EXPECT_EQ(health_.failures().size(), 1U);
  other.reset();
  sync();
  EXPECT_THAT(ask(port), StartsWith("HTTP/1.0 503"));
  EXPECT_TRUE(health_.failures().empty());
}

}  // namespace
}  // namespace proxy::status
