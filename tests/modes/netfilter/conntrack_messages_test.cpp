#include "modes/netfilter/conntrack_messages.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"
#include "tests/proxy/state/builders.hpp"

#include <netinet/in.h>

#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <map>

namespace modes::netfilter {
namespace {

using namespace proxy::state::testing;

// A flow as Linux 6.18 dumped it (IPCTNL_MSG_CT_GET): UDP 203.0.113.2:1001 > 10.96.0.10:53 in zone
// 7, answered by 10.0.0.2:5353.
std::vector<std::byte> recorded() {
  constexpr std::string_view kLines[] = {
      "c800000000012200010000008d310000",                          // nlmsghdr
      "02000000",                                                  // nfgenmsg: AF_INET
      "34000180",                                                  // CTA_TUPLE_ORIG:
      "1400018008000100cb007102080002000a60000a",                  //   addresses
      "1c00028005000100110000000600020003e900000600030000350000",  //   protocol and ports
      "34000280",                                                  // CTA_TUPLE_REPLY:
      "14000180080001000a00000208000200cb007102",
      "1c00028005000100110000000600020014e900000600030003e90000",
      "0600120000070000",                                          // CTA_ZONE
      "0800030000000008",                                          // CTA_STATUS
      "0800080000000000",                                          // CTA_MARK
      "08000c001a320035",                                          // CTA_ID
      "08000b0000000001",                                          // CTA_USE
      "0800070000000257",                                          // CTA_TIMEOUT
      "1c001880080001000000000008000200000000000800030000000000",  // CTA_SYNPROXY
  };
  std::string hex;
  for (const auto line : kLines) hex += line;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<TrackedFlow> parse_all(Bytes datagram) {
  std::vector<TrackedFlow> flows;
  for_each_message(datagram, [&](const Message& message) {
    if (const auto tracked = parse_tracked_flow(message)) flows.push_back(*tracked);
  });
  return flows;
}

std::map<std::uint16_t, Bytes> attributes_of(Bytes datagram) {
  std::map<std::uint16_t, Bytes> found;
  for_each_message(datagram, [&](const Message& message) {
    for_each_attribute(message.attributes(),
                       [&](const Attribute& it) { found.emplace(it.type, it.payload); });
  });
  return found;
}

bool equal(Bytes a, Bytes b) {
  return std::ranges::equal(a, b);
}

TEST(ConntrackMessages, AFlowThatTheKernelSentIsReadBothWays) {
  const auto bytes = recorded();
  const auto flows = parse_all(bytes);
  ASSERT_EQ(flows.size(), 1U);
  EXPECT_EQ(flows[0].flow.destination, ip("10.96.0.10"));
  EXPECT_EQ(flows[0].flow.destination_port, Port{53});
  EXPECT_EQ(flows[0].flow.replier, endpoint("10.0.0.2", 5353));
  EXPECT_EQ(flows[0].zone.size(), 2U);
  EXPECT_EQ(flows[0].family, AF_INET);
}

TEST(ConntrackMessages, TheRequestToDeleteAFlowNamesItAsTheKernelDid) {
  const auto bytes = recorded();
  const auto flow = parse_all(bytes).at(0);
  std::vector<std::byte> request;
  append_conntrack_delete(request, 9, flow);
  const auto attributes = attributes_of(request);
  EXPECT_EQ(attributes.size(), 3U);
  EXPECT_TRUE(equal(attributes.at(CTA_TUPLE_ORIG), flow.original));
  EXPECT_TRUE(equal(attributes.at(CTA_ZONE), flow.zone));
  EXPECT_TRUE(equal(attributes.at(CTA_ID), flow.id));
}

TEST(ConntrackMessages, AFlowThatIsCutShortAnywhereIsNone) {
  const auto bytes = recorded();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_TRUE(parse_all(Bytes{bytes}.first(length)).empty()) << length;
  }
}

TEST(ConntrackMessages, FlowsOfOtherProtocolsAreNone) {
  auto bytes = recorded();
  constexpr std::size_t kProtocol = 16 + 4 + 4 + 20 + 4 + 4;  // CTA_PROTO_NUM of the original
  ASSERT_EQ(bytes[kProtocol], std::byte{IPPROTO_UDP});
  bytes[kProtocol] = std::byte{IPPROTO_TCP};
  EXPECT_TRUE(parse_all(bytes).empty());
}

// The kernel takes a request to delete that names no flow for one to delete them all.
TEST(ConntrackMessages, ARequestToDeleteByFilterAlwaysNamesProtocolAndFilter) {
  for (const auto& walk : {ConntrackWalk{Family::v4, ip("10.96.0.10"), Port{53}, true},
                           ConntrackWalk{Family::v6, std::nullopt, std::nullopt, true}}) {
    std::vector<std::byte> request;
    append_conntrack_delete(request, 1, walk);
    const auto attributes = attributes_of(request);
    EXPECT_TRUE(attributes.contains(CTA_FILTER));
    bool names_udp = false;
    for_each_attribute(attributes.at(CTA_TUPLE_ORIG), [&](const Attribute& in_tuple) {
      if (in_tuple.type != CTA_TUPLE_PROTO) return;
      for_each_attribute(in_tuple.payload, [&](const Attribute& it) {
        names_udp = names_udp || (it.type == CTA_PROTO_NUM && it.payload.size() == 1 &&
                                  it.payload[0] == std::byte{IPPROTO_UDP});
      });
    });
    EXPECT_TRUE(names_udp);
  }
}

}  // namespace
}  // namespace modes::netfilter
