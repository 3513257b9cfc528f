// What status says of traffic in the ipvs mode is what endpoints have met.
#include "tests/netns/traffic_lab.hpp"

#include <gtest/gtest.h>

namespace netns {
namespace {

class IpvsTraffic : public TrafficLab {
 protected:
  void SetUp() override { start("ipvs"); }
};

TEST_F(IpvsTraffic, EveryConnectionIsCountedAtItsEndpointAndBytesAreThoseOfPackets) {
  Met v4, v6, udp;
  connect("10.180.0.100", "172.30.0.41:80", Protocol::tcp, 20, v4);
  connect("203.0.113.2", "192.168.0.2:30001", Protocol::tcp, 6, v4);
  connect("fd00:10:180::100", "[fd00:172:30::41]:80", Protocol::tcp, 9, v6);
  connect("10.180.0.100", "172.30.0.53:53", Protocol::udp, 11, udp);

  // The kernel adds up what its processors counted every two seconds.
  const auto web4 = row_with("ns1/web:http", "IPv4", v4.all);
  EXPECT_EQ(web4["traffic"]["connections"].as<std::uint64_t>(), 26U);
  EXPECT_EQ(connections_of(web4), v4.connections);
  EXPECT_FALSE(web4["traffic"]["refused"]);
  EXPECT_FALSE(web4["traffic"]["since"]);
  const auto web6 = row_with("ns1/web:http", "IPv6", v6.all);
  EXPECT_EQ(web6["traffic"]["connections"].as<std::uint64_t>(), 9U);
  EXPECT_EQ(connections_of(web6), v6.connections);
  const auto names = row_with("ns1/names:dns", "IPv4", udp.all);
  EXPECT_EQ(names["traffic"]["connections"].as<std::uint64_t>(), 11U);
  EXPECT_EQ(connections_of(names), udp.connections);
  EXPECT_EQ(names["traffic"]["open"].as<int>(), 11) << "flows that IPVS remembers";
  // A datagram has 28 bytes of headers.
  EXPECT_EQ(names["traffic"]["bytesOut"].as<std::uint64_t>(), udp.bytes_out + 28 * udp.all);
}

}  // namespace
}  // namespace netns
