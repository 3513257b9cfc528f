#include "tests/modes/userspace/proxy_lab.hpp"

namespace modes::userspace {
namespace {

// Answers nothing by itself.
class UdpEndpoint {
 public:
  UdpEndpoint() {
    fd_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const SocketAddress at{loopback(), Port{0}};
    EXPECT_EQ(::bind(fd_.get(), at.get(), at.size()), 0);
    port_ = *tcp::local_port(fd_.get());
  }
  [[nodiscard]] proxy::state::Endpoint endpoint() const { return {loopback(), port_}; }
  // Receives one datagram, and answers it if `answer` is not empty.
  std::string serve(std::string_view answer = {}) {
    std::string datagram(65536, '\0');
    SocketAddress from;
    const auto got =
        ::recvfrom(fd_.get(), datagram.data(), datagram.size(), 0, from.get(), from.size_pointer());
    datagram.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (!answer.empty()) {
      EXPECT_EQ(::sendto(fd_.get(), answer.data(), answer.size(), 0, from.get(), from.size()),
                static_cast<ssize_t>(answer.size()));
    }
    last_ = from.peer();
    return datagram;
  }
  [[nodiscard]] Peer last() const { return last_; }
  void close() { fd_.reset(); }

 private:
  proxy::UniqueFd fd_;
  Port port_;
  Peer last_;
};

proxy::UniqueFd client_of(const ProxyLab& lab) {
  return connect_blocking(lab.port(), SOCK_DGRAM);
}

TEST(UdpFlows, CarryDatagramsBothWaysWithTheirBounds) {
  UdpEndpoint endpoint;
  ProxyLab lab;
  lab.serve({endpoint.endpoint()});
  const auto client = client_of(lab);
  for (const auto* text : {"one", "two", "three"}) ASSERT_TRUE(send_all(client.get(), text));
  EXPECT_EQ(endpoint.serve("first"), "one");
  EXPECT_EQ(endpoint.serve(), "two");
  EXPECT_EQ(endpoint.serve("second"), "three");
  EXPECT_EQ(receive_some(client.get()), "first");
  EXPECT_EQ(receive_some(client.get()), "second");
  const std::string large(60'000, 'x');
  ASSERT_TRUE(send_all(client.get(), large));
  EXPECT_EQ(endpoint.serve(), large);
  EXPECT_EQ(lab.figures().flows, 1U);
  const auto tally = lab.tally(Protocol::udp);
  EXPECT_EQ(tally.total, (Tally{.connections = 1, .open = 1, .bytes_in = 60'011, .bytes_out = 11}));
  ASSERT_EQ(tally.endpoints.size(), 1U);
  EXPECT_EQ(tally.endpoints.front(), std::pair(endpoint.endpoint(), tally.total));
}

TEST(UdpFlows, OfAServiceWithoutEndpointsAreCountedAsRefused) {
  ProxyLab lab;
  lab.serve({});
  const auto client = client_of(lab);
  ASSERT_TRUE(send_all(client.get(), "anybody"));
  ASSERT_TRUE(lab.until([](const auto& now) { return now.udp.unserved == 1; }));
  EXPECT_EQ(lab.tally(Protocol::udp).total, (Tally{.connections = 1, .refused = 1}));
}

TEST(UdpFlows, StayWithTheirEndpointAndGoToAnotherWhenItStopsServing) {
  UdpEndpoint one, other;
  ProxyLab lab;
  lab.serve({one.endpoint()});
  const auto client = client_of(lab);
  ASSERT_TRUE(send_all(client.get(), "a"));
  EXPECT_EQ(one.serve(), "a");
  lab.serve({one.endpoint(), other.endpoint()});
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(send_all(client.get(), "b"));
    EXPECT_EQ(one.serve(), "b");
  }
  lab.serve({other.endpoint()});
  ASSERT_TRUE(send_all(client.get(), "c"));
  EXPECT_EQ(other.serve("d"), "c");
  EXPECT_EQ(receive_some(client.get()), "d");
}

TEST(UdpFlows, GoToAnotherEndpointWhenTheirsRefuses) {
  UdpEndpoint one, other;
  ProxyLab lab;
  lab.serve({one.endpoint()});
  const auto client = client_of(lab);
  ASSERT_TRUE(send_all(client.get(), "a"));
  EXPECT_EQ(one.serve(), "a");
  lab.serve({one.endpoint(), other.endpoint()});
  one.close();
  // The first is lost: that it was refused is known only after it.
  auto received = std::async(std::launch::async, [&] { return other.serve(); });
  while (received.wait_for(std::chrono::milliseconds{1}) != std::future_status::ready) {
    ASSERT_TRUE(send_all(client.get(), "b"));
  }
  EXPECT_EQ(received.get(), "b");
}

TEST(UdpFlows, MakeRoomByEndingTheQuietest) {
  UdpEndpoint endpoint;
  ProxyLab lab{64};  // a quarter of it for flows
  lab.serve({endpoint.endpoint()});
  std::vector<proxy::UniqueFd> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(client_of(lab));
    ASSERT_TRUE(send_all(clients.back().get(), "hello"));
    EXPECT_EQ(endpoint.serve("hi"), "hello");
    EXPECT_EQ(receive_some(clients.back().get()), "hi");
  }
  EXPECT_EQ(lab.figures().flows, 16U);
  EXPECT_EQ(lab.figures().udp.evicted, 4U);
}

}  // namespace
}  // namespace modes::userspace
