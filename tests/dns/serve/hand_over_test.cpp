// A new server takes over from an old one on the same addresses while clients go on asking.
#include "dns/serve/server.hpp"
#include "tests/dns/client.hpp"
#include "tests/dns/cluster.hpp"
#include "tests/fakes/fake_log.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>
#include <vector>

namespace dns::serve {
namespace {

using dns::testing::ask_udp;
using dns::testing::name;
using dns::testing::service;
using dns::testing::TcpClient;

constexpr const char* kWeb = "web.shop.svc.cluster.local";

class HandOver : public ::testing::Test {
 protected:
  std::unique_ptr<Server> start(proxy::config::SocketAddress at) {
    ServerOptions options;
    options.listen = {at};
    options.workers = 2;
    options.zone.domain = name("cluster.local");
    auto started = Server::start(std::move(options), log_);
    EXPECT_TRUE(started) << started.error();
    return std::move(*started);
  }
  static void fill(Server& server) {
    const std::vector<proxy::records::Record> all{service("shop", "web", {"10.96.0.1"})};
    server.replace(all);
  }

  ::fakes::FakeLog log_;
};

bool is_right(const std::optional<Message>& reply) {
  return reply && reply->rcode == Rcode::no_error && reply->answer.size() == 1;
}

TEST_F(HandOver, TheNewServerLeavesTheOldOneAloneUntilItKnowsTheZone) {
  const auto old_one = start({IpAddress::loopback(Family::v4), {0}});
  fill(*old_one);
  const auto at = old_one->addresses().at(0);
  const auto new_one = start(at);
  EXPECT_FALSE(new_one->ready());
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(is_right(ask_udp(at, kWeb)));
  fill(*new_one);
  EXPECT_TRUE(new_one->ready());
}

TEST_F(HandOver, LosesNoQuery) {
  auto server = start({IpAddress::loopback(Family::v4), {0}});
  fill(*server);
  const auto at = server->addresses().at(0);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::atomic<int> asked{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {  // a port of its own for each query: any socket may be chosen
      for (; !done; ++asked) wrong += is_right(ask_udp(at, kWeb)) ? 0 : 1;
    });
  }
  clients.emplace_back([&] {
    for (std::uint16_t id = 1; !done; ++id, ++asked) {
      TcpClient client{at};
      client.send(id, kWeb);
      wrong += is_right(client.receive()) ? 0 : 1;
    }
  });
  for (int round = 0; round < 5; ++round) {
    auto next = start(at);
    fill(*next);
    const int before = asked;
    while (asked < before + 100) std::this_thread::yield();  // both serve
    server->stop();
    server = std::move(next);
    const int after = asked;
    while (asked < after + 100) std::this_thread::yield();
  }
  done = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0) << "of " << asked;
}

TEST_F(HandOver, AnAddressThatSomebodyElseServesIsRefused) {
  const proxy::UniqueFd tcp{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const proxy::UniqueFd udp{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  KernelAddress kernel;
  const auto size = kernel_address({IpAddress::loopback(Family::v4), {0}}, kernel);
  ASSERT_EQ(bind(tcp.get(), &kernel.any, size), 0);
  ASSERT_EQ(listen(tcp.get(), 1), 0);
  const auto at = bound_address(tcp.get());
  ASSERT_TRUE(at);
  ASSERT_EQ(bind(udp.get(), &kernel.any, kernel_address(*at, kernel)), 0);
  ServerOptions options;
  options.listen = {*at};
  options.zone.domain = name("cluster.local");
  const auto started = Server::start(std::move(options), log_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, std::errc::address_in_use);
}

}  // namespace
}  // namespace dns::serve
