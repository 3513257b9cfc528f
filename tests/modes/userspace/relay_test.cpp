#include "tests/modes/userspace/proxy_lab.hpp"

#include <sys/resource.h>

#include <optional>
#include <random>

namespace modes::userspace {
namespace {

using proxy::state::Endpoint;

// Bytes that no part of can be mistaken for another.
std::string stream_of(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  std::mt19937 engine{seed};
  for (auto& byte : bytes) byte = static_cast<char>(engine());
  return bytes;
}

TEST(Relay, CarriesBytesBothWaysAndEndsWhenBothSidesDo) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});

  const auto client = lab.connect();
  const auto server = endpoint.accept();
  ASSERT_TRUE(send_all(client.get(), "question"));
  EXPECT_EQ(receive_some(server.get()), "question");
  ASSERT_TRUE(send_all(server.get(), "answer"));
  EXPECT_EQ(receive_some(client.get()), "answer");
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(receive_some(server.get()), "");
  ::shutdown(server.get(), SHUT_WR);
  EXPECT_EQ(receive_some(client.get()), "");

  EXPECT_TRUE(lab.until([](const auto& now) { return now.connections == 0; }));
  EXPECT_EQ(lab.descriptors().left(), lab.descriptors().limit());
}

TEST(Relay, KeepsTheOtherDirectionOpenAfterAHalfClose) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  const auto client = lab.connect();
  const auto server = endpoint.accept();

  ASSERT_TRUE(send_all(client.get(), "all I have to say"));
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(receive_all(server.get()), "all I have to say");

  const auto answer = stream_of(3'000'000, 1);
  auto sender = std::async(std::launch::async, [&] {
    const bool sent = send_all(server.get(), answer);
    ::shutdown(server.get(), SHUT_WR);
    return sent;
  });
  EXPECT_EQ(receive_all(client.get()), answer);
  EXPECT_TRUE(sender.get());
}

TEST(Relay, LosesAndReordersNothingOfLargeStreamsBothWaysAtOnce) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  constexpr int kConnections = 8;
  std::vector<std::future<bool>> good;
  std::vector<proxy::UniqueFd> sockets;
  const auto exchange = [](int fd, std::string mine, std::string expected) {
    auto sending = std::async(std::launch::async, [fd, mine = std::move(mine)] {
      const bool sent = send_all(fd, mine);
      ::shutdown(fd, SHUT_WR);
      return sent;
    });
    const bool same = receive_all(fd) == expected;
    return sending.get() && same;
  };
  for (unsigned i = 0; i < kConnections; ++i) {
    const auto up = stream_of(5'000'000 + i * 77'777, 2 * i);
    const auto down = stream_of(4'000'000 + i * 99'991, 2 * i + 1);
    auto client = lab.connect();
    auto server = endpoint.accept();
    good.push_back(std::async(std::launch::async, exchange, client.get(), up, down));
    good.push_back(std::async(std::launch::async, exchange, server.get(), down, up));
    sockets.push_back(std::move(client));
    sockets.push_back(std::move(server));
  }
  for (auto& each : good) EXPECT_TRUE(each.get());
}

TEST(Relay, CountsEveryByteOfItsService) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  Tally expected;
  for (const std::size_t up : {std::size_t{0}, std::size_t{5}, std::size_t{3'000'017}}) {
    const auto down = up * 2 + 1;
    const auto client = lab.connect();
    const auto server = endpoint.accept();
    const auto serve = [&] {
      const auto got = receive_all(server.get()).size();
      const bool sent = send_all(server.get(), stream_of(down, 1));
      ::shutdown(server.get(), SHUT_WR);
      return sent && got == up;
    };
    auto serving = std::async(std::launch::async, serve);
    ASSERT_TRUE(send_all(client.get(), stream_of(up, 2)));
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(receive_all(client.get()).size(), down);
    EXPECT_TRUE(serving.get());
    ++expected.connections;
    expected.bytes_in += up;
    expected.bytes_out += down;
  }
  ASSERT_TRUE(lab.until([](const auto& now) { return now.connections == 0; }));
  const auto tally = lab.tally();
  EXPECT_EQ(tally.total, expected);
  ASSERT_EQ(tally.endpoints.size(), 1U);
  EXPECT_EQ(tally.endpoints.front(), std::pair(endpoint.endpoint(), expected));
  EXPECT_EQ(lab.figures().tcp.bytes_in, expected.bytes_in);
  EXPECT_EQ(lab.figures().tcp.bytes_out, expected.bytes_out);
}

TEST(Relay, BuffersABoundedAmountForAReaderThatDoesNotRead) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  const auto client = lab.connect();
  const auto server = endpoint.accept();

  // As much as the kernel's sockets and we together take, and no more.
  const auto piece = stream_of(1 << 20, 9);
  std::size_t sent = 0;
  int idle_rounds = 0;
  while (idle_rounds < 2000) {
    const auto got = ::send(client.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got > 0) {
      sent += static_cast<std::size_t>(got);
      idle_rounds = 0;
    } else {
      ++idle_rounds;
      (void)lab.figures();  // the worker has had a turn
    }
  }
  EXPECT_LT(sent, 64U << 20U);
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(receive_all(server.get()).size(), sent);
}

TEST(Relay, TriesTheNextEndpointWhenOneRefuses) {
  FakeEndpoint refusing;
  const FakeEndpoint good;
  refusing.stop_listening();
  ProxyLab lab;
  lab.serve({refusing.endpoint(), good.endpoint()});
  for (int i = 0; i < 4; ++i) {
    const auto client = lab.connect();
    ASSERT_TRUE(send_all(client.get(), "hello"));
    EXPECT_EQ(receive_some(good.accept().get()), "hello");
  }
  EXPECT_GT(lab.figures().tcp.retried, 0U);
  const auto tally = lab.tally();
  EXPECT_EQ(tally.total.connections, 4U);
  EXPECT_EQ(tally.total.refused, 0U) << "no client noticed";
  for (const auto& [endpoint, counts] : tally.endpoints) {
    const bool is_good = endpoint == good.endpoint();
    EXPECT_EQ(counts.connections, is_good ? 4U : 0U);
    EXPECT_EQ(counts.refused, is_good ? 0U : lab.figures().tcp.retried);
  }
}

TEST(Relay, ResetsTheClientWhenEveryEndpointRefuses) {
  FakeEndpoint one, other;
  one.stop_listening();
  other.stop_listening();
  ProxyLab lab;
  lab.serve({one.endpoint(), other.endpoint()});
  const auto client = lab.connect();
  int error = 0;
  EXPECT_EQ(receive_all(client.get(), &error), "");
  EXPECT_EQ(error, ECONNRESET);
  EXPECT_EQ(lab.figures().tcp.unreached, 1U);
  EXPECT_EQ(lab.tally().total, (Tally{.connections = 1, .refused = 1}));
}

TEST(Relay, TriesTheNextEndpointWhenOneIsSilent) {
  // A full backlog takes no more connections and says nothing, like a black hole.
  const FakeEndpoint silent;
  ASSERT_EQ(::listen(silent.fd(), 0), 0);
  std::vector<proxy::UniqueFd> fillers;
  for (int i = 0; i < 4; ++i) {
    proxy::UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const SocketAddress to{loopback(), silent.port()};
    (void)::connect(fd.get(), to.get(), to.size());
    fillers.push_back(std::move(fd));
  }
  const FakeEndpoint good;
  ProxyLab lab;
  lab.serve({silent.endpoint(), good.endpoint()});
  for (int i = 0; i < 2; ++i) {
    const auto client = lab.connect();
    ASSERT_TRUE(send_all(client.get(), "hello"));
    EXPECT_EQ(receive_some(good.accept().get()), "hello");
  }
}

TEST(Relay, PassesAResetOfTheEndpointOnAfterWhatItSent) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  const auto client = lab.connect();
  auto server = endpoint.accept();
  const auto answer = stream_of(200'000, 4);
  ASSERT_TRUE(send_all(server.get(), answer));
  while (tcp::unacknowledged(server.get()) > 0) std::this_thread::yield();
  tcp::reset(std::move(server));

  int error = 0;
  EXPECT_EQ(receive_all(client.get(), &error), answer);
  EXPECT_EQ(error, ECONNRESET);
  EXPECT_TRUE(lab.until([](const auto& now) { return now.connections == 0; }));
}

TEST(Relay, PassesAResetOfTheClientOn) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  auto client = lab.connect();
  const auto server = endpoint.accept();
  tcp::reset(std::move(client));
  int error = 0;
  EXPECT_EQ(receive_all(server.get(), &error), "");
  EXPECT_EQ(error, ECONNRESET);
  EXPECT_TRUE(lab.until([](const auto& now) { return now.connections == 0; }));
}

TEST(Relay, TellsTheEndpointWhoTheClientIsIfTheServiceAsksForIt) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  ServicePort port;
  port.annotations = {{"viaduct.io/proxy-protocol", "v2"}};
  lab.serve({endpoint.endpoint()}, port);
  const auto client = lab.connect();
  ASSERT_TRUE(send_all(client.get(), "hello"));
  ::shutdown(client.get(), SHUT_WR);
  const auto seen = receive_all(endpoint.accept().get());
  const std::string signature{"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01", 24};
  ASSERT_EQ(seen.size(), 28 + 5U);
  EXPECT_EQ(seen.substr(0, 24), signature);
  const auto from = tcp::local_port(client.get());
  EXPECT_EQ(static_cast<unsigned char>(seen[24]) << 8 | static_cast<unsigned char>(seen[25]),
            from->value);
  EXPECT_EQ(seen.substr(28), "hello");
}

TEST(Relay, LetsConnectionsGoOnWhoseEndpointIsRemoved) {
  const FakeEndpoint before, after;
  ProxyLab lab;
  lab.serve({before.endpoint()});
  const auto old_client = lab.connect();
  const auto old_server = before.accept();
  lab.serve({after.endpoint()});
  ASSERT_TRUE(send_all(old_client.get(), "still here"));
  EXPECT_EQ(receive_some(old_server.get()), "still here");
  const auto client = lab.connect();
  ASSERT_TRUE(send_all(client.get(), "new"));
  EXPECT_EQ(receive_some(after.accept().get()), "new");
}

TEST(Relay, KeepsAClientWithOneEndpointIfTheServiceAsksForIt) {
  const FakeEndpoint one, other;
  ProxyLab lab;
  ServicePort port;
  port.affinity = std::chrono::seconds{100};
  lab.serve({one.endpoint(), other.endpoint()}, port);
  const auto first = lab.connect();
  ASSERT_TRUE(lab.until([](const auto& now) { return now.connections == 1; }));
  std::vector<proxy::UniqueFd> more;
  for (int i = 0; i < 10; ++i) more.push_back(lab.connect());
  ASSERT_TRUE(lab.until([](const auto& now) { return now.connections == 11; }));
  const auto queued = [](const FakeEndpoint& endpoint) {
    int count = 0;
    while (true) {
      const proxy::UniqueFd fd{::accept4(endpoint.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!fd) return count;
      ++count;
    }
  };
  for (const auto* endpoint : {&one, &other}) {
    const int flags = ::fcntl(endpoint->fd(), F_GETFL);
    ::fcntl(endpoint->fd(), F_SETFL, flags | O_NONBLOCK);
  }
  const std::pair counts{queued(one), queued(other)};
  EXPECT_TRUE(counts == std::pair(11, 0) || counts == std::pair(0, 11));
}

TEST(Relay, WaitsForDescriptorsRatherThanToFail) {
  const FakeEndpoint endpoint;
  ProxyLab lab{8};  // four connections
  lab.serve({endpoint.endpoint()});
  std::vector<proxy::UniqueFd> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(lab.connect());
  EXPECT_NE(lab.warning().find("no descriptors left"), std::string::npos);
  EXPECT_EQ(lab.figures().connections, 4U);
  ASSERT_TRUE(send_all(clients[5].get(), "late"));
  for (int i = 0; i < 4; ++i) clients[static_cast<std::size_t>(i)].reset();
  for (int i = 0; i < 4; ++i) (void)endpoint.accept();
  (void)endpoint.accept();
  EXPECT_EQ(receive_some(endpoint.accept().get()), "late");
}

// As few descriptors as the process has now, and `more`; back to what it was at the end.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(int more) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const proxy::UniqueFd next{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)};
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next.get() + more);
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(Relay, GoesOnWhenTheProcessItselfHasRunOutOfDescriptors) {
  const FakeEndpoint endpoint;
  ProxyLab lab;  // believes in more than there will be
  lab.serve({endpoint.endpoint()});
  std::optional<DescriptorLimit> limit{std::in_place, 1};
  const auto client = lab.connect();  // takes the last one
  ASSERT_LT(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0), 0);
  EXPECT_NE(lab.warning().find("no descriptors left"), std::string::npos);
  EXPECT_EQ(lab.figures().connections, 0U);
  limit.reset();
  ASSERT_TRUE(send_all(client.get(), "late"));
  EXPECT_EQ(receive_some(endpoint.accept().get()), "late");
}

TEST(Relay, OpensAndClosesThousandsOfConnections) {
  FakeEndpoint endpoint;
  ProxyLab lab{6000};
  lab.serve({endpoint.endpoint()});
  auto serving = std::async(std::launch::async, [&] {
    for (int i = 0; i < 9000; ++i) {
      const auto server = endpoint.accept();
      if (receive_some(server.get()) != "x" || !send_all(server.get(), "y")) return false;
    }
    return true;
  });
  for (int i = 0; i < 9000; ++i) {
    const auto client = lab.connect();
    ASSERT_TRUE(send_all(client.get(), "x"));
    ASSERT_EQ(receive_some(client.get()), "y");
  }
  EXPECT_TRUE(serving.get());
  EXPECT_TRUE(lab.until([](const auto& now) { return now.connections == 0; }));
}

TEST(Relay, EndingTheWorkerResetsWhatIsLeft) {
  const FakeEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  const auto client = lab.connect();
  const auto server = endpoint.accept();
  lab.end();
  int error = 0;
  EXPECT_EQ(receive_all(client.get(), &error), "");
  EXPECT_EQ(error, ECONNRESET);
}

}  // namespace
}  // namespace modes::userspace
