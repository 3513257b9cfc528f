#include "tests/netns/arrivals.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace netns {
namespace {

// 10.0.0.1:4660 -> 10.0.0.2:80, with the protocol and the transport header's byte 13 as given.
std::vector<std::byte> v4_packet(std::uint8_t protocol, std::uint8_t flags) {
  std::vector<std::byte> packet(40);
  packet[0] = std::byte{0x45};
  packet[9] = std::byte{protocol};
  const std::array<std::uint8_t, 12> rest{10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 80};
  for (std::size_t i = 0; i < rest.size(); ++i) packet[12 + i] = std::byte{rest[i]};
  packet[33] = std::byte{flags};
  return packet;
}

TEST(Arrival, OfTcpIsTheSynAlone) {
  const auto syn = arrival_of(v4_packet(6, 0x02));
  ASSERT_TRUE(syn);
  EXPECT_EQ(syn->protocol, Protocol::tcp);
  EXPECT_EQ(syn->from.text(), "10.0.0.1:4660");
  EXPECT_EQ(syn->to.text(), "10.0.0.2:80");
  EXPECT_FALSE(arrival_of(v4_packet(6, 0x12)));
  EXPECT_FALSE(arrival_of(v4_packet(6, 0x10)));
}

TEST(Arrival, OfUdpIsEveryDatagramAndOfIcmpNothing) {
  EXPECT_TRUE(arrival_of(v4_packet(17, 0)));
  EXPECT_FALSE(arrival_of(v4_packet(1, 0)));
}

TEST(Arrival, IsNotReadBehindThePacketsEnd) {
  const auto packet = v4_packet(6, 0x02);
  for (std::size_t size = 0; size < 33; ++size) {
    EXPECT_FALSE(arrival_of(std::span{packet}.first(size))) << size;
  }
}

TEST(Arrivals, AreFoundByTheirSource) {
  Arrivals arrivals;
  const auto from = parse_socket_address("203.0.113.2:12000");
  arrivals.add({Protocol::tcp, from, parse_socket_address("10.0.0.2:80")});
  const auto past = Arrivals::Clock::now();
  EXPECT_EQ(arrivals.wait(Protocol::tcp, from, past), parse_socket_address("10.0.0.2:80"));
  EXPECT_FALSE(arrivals.wait(Protocol::udp, from, past));
  EXPECT_FALSE(arrivals.wait(Protocol::tcp, parse_socket_address("203.0.113.2:12001"), past));
}

}  // namespace
}  // namespace netns
