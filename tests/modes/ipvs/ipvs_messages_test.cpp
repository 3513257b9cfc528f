// What the kernel answers about IPVS, by answers recorded from Linux 6.1 (tests/testdata/ipvs/),
// and that what is asked for reads back the same.
#include "modes/ipvs/ipvs_messages.hpp"

#include "modes/ipvs/libnl_socket.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace modes::ipvs {
namespace {

using proxy::Family;
using testing::ElementsAre;
using testing::SizeIs;

std::vector<std::byte> recorded(const std::string& name) {
  std::ifstream file{std::string{VIADUCT_TESTDATA "/ipvs/"} + name, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  std::vector<std::byte> out(text.size());
  std::ranges::copy(std::as_bytes(std::span{text}), out.begin());
  return out;
}

Observed servers_in(std::vector<std::byte> datagram) {
  Observed out;
  for_each_nl_message(datagram, [&](nlmsghdr* message) {
    if (auto server = parse_server(message)) out.insert(std::move(*server));
  });
  return out;
}

std::vector<ObservedRealServer> real_servers_in(Family family, std::vector<std::byte> datagram) {
  std::vector<ObservedRealServer> out;
  for_each_nl_message(datagram, [&](nlmsghdr* message) {
    if (auto server = parse_real_server(family, message)) out.push_back(std::move(*server));
  });
  std::ranges::sort(out, {}, [](const auto& one) { return one.server.endpoint; });
  return out;
}

VirtualServerKey key(const char* ip, std::uint16_t port, Protocol protocol = Protocol::tcp) {
  return {*proxy::parse_ip(ip), Port{port}, protocol};
}
Endpoint endpoint(const char* ip, std::uint16_t port) {
  return {*proxy::parse_ip(ip), Port{port}};
}

TEST(IpvsMessages, AListOfVirtualServersIsReadWithoutThoseByFirewallMark) {
  const auto all = servers_in(recorded("virtual_servers"));
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(all.at(key("172.30.0.41", 80)).scheduler, Scheduler{});
  EXPECT_EQ(all.at(key("172.30.0.10", 53, Protocol::udp)).scheduler,
            *parse_scheduler("mh,mh-port"));
  EXPECT_EQ(all.at(key("fd00:172:30::41", 443)).persistence, std::chrono::seconds{10800});
  EXPECT_EQ(all.at(key("10.0.0.1", 9, Protocol::sctp)).scheduler.name, "sh");
}

TEST(IpvsMessages, AListOfRealServersTellsWeightsAndTheWayOfForwarding) {
  std::vector<RealServer> all;
  for (const auto& one : real_servers_in(Family::v4, recorded("real_servers"))) {
    all.push_back(one.server);
  }
  EXPECT_THAT(all, ElementsAre(RealServer{endpoint("10.180.0.1", 8080), 1, true},
                               RealServer{endpoint("10.180.0.2", 8080), 0, true},
                               RealServer{endpoint("10.180.0.3", 80), 7, false}));
}

TEST(IpvsMessages, RealServersOfIPv6AndOnThisMachineAreRead) {
  const auto v6 = real_servers_in(Family::v6, recorded("real_servers_v6"));
  ASSERT_THAT(v6, SizeIs(1));
  EXPECT_EQ(v6.front().server, RealServer{endpoint("fd00:10:180::1", 443)});
  const auto local = real_servers_in(Family::v4, recorded("real_servers_udp"));
  ASSERT_THAT(local, SizeIs(1));
  EXPECT_EQ(local.front().server, RealServer{endpoint("127.0.0.1", 53)});
}

TEST(IpvsMessages, WhatIsAskedForReadsBackTheSame) {
  for (const auto& [at, scheduler, persistence] :
       {std::tuple{key("172.30.0.41", 80), "rr", 0}, std::tuple{key("fd00::1", 1), "sh,sh-port", 7},
        std::tuple{key("1.2.3.4", 65535, Protocol::sctp), "mh,mh-fallback,mh-port", 86400}}) {
    std::vector<std::byte> request;
    const AddVirtualServer add{at, *parse_scheduler(scheduler), std::chrono::seconds{persistence}};
    encode_step(add, 30, 1, 0, request);
    const auto read = servers_in(request);
    ASSERT_THAT(read, SizeIs(1));
    EXPECT_EQ(read.begin()->first, at);
    EXPECT_EQ(read.begin()->second.scheduler, add.scheduler);
    EXPECT_EQ(read.begin()->second.persistence, add.persistence);
  }
}

TEST(IpvsMessages, NothingIsReadFromAnAnswerThatIsCutShort) {
  const auto whole = recorded("virtual_servers");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto part = whole;
    part.resize(size);
    EXPECT_LE(servers_in(std::move(part)).size(), 4U);
  }
}

}  // namespace
}  // namespace modes::ipvs
