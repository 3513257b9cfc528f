// Against the kernel's own table, in network namespaces of the tests' own. Flows are put there as
// ctnetlink takes them, and looked for in the kernel's text, so that a mistake in our messages
// can't hide itself.
#include "modes/netfilter/conntrack_netlink.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/conntrack_cleaner.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"
#include "tests/modes/netfilter/conntrack_cases.hpp"
#include "tests/netns/network_namespace.hpp"
#include "tests/proxy/state/builders.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace modes::netfilter {
namespace {

using namespace proxy::state::testing;
using proxy::Protocol;
using proxy::UniqueFd;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Scope = ConntrackRule::Scope;

constexpr std::size_t kBudget = 4;
const std::vector kNodeAddresses{ip("192.168.0.2")};

struct Flow {
  Protocol protocol = Protocol::udp;
  Endpoint client;
  Endpoint destination;
  Endpoint replier;
  std::uint16_t zone = 0;
};

// "udp 203.0.113.2:1000 > 10.96.0.10:53 zone 0": addresses as the kernel prints them.
std::string name_of(const Flow& flow) {
  return std::string{lower_name(flow.protocol)} + " " + flow.client.text() + " > " +
         flow.destination.text() + " zone " + std::to_string(flow.zone);
}

void put_tuple(AttributeWriter& out, std::uint16_t type, Protocol protocol, const Endpoint& from,
               const Endpoint& to) {
  const bool v4 = from.address.family() == Family::v4;
  const auto put_port = [&](std::uint16_t at, Port port) { out.put_struct(at, htons(port.value)); };
  const auto tuple = out.open(type);
  const auto addresses = out.open(CTA_TUPLE_IP);
  out.put(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, from.address.bytes());
  out.put(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, to.address.bytes());
  out.close(addresses);
  const auto transport = out.open(CTA_TUPLE_PROTO);
  out.put_struct(CTA_PROTO_NUM, static_cast<std::uint8_t>(protocol));
  put_port(CTA_PROTO_SRC_PORT, from.port);
  put_port(CTA_PROTO_DST_PORT, to.port);
  out.close(transport);
  out.close(tuple);
}

class ConntrackNetlinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = netns::why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    net = std::make_unique<netns::NetworkNamespace>(false);
    inside = std::make_unique<netns::Inside>(*net);
    socket = std::make_unique<NfnetlinkSocket>(NfnetlinkSocket::open().value());
  }

  void insert(const Flow& flow) {
    const auto family = flow.client.address.family() == Family::v4 ? AF_INET : AF_INET6;
    std::vector<std::byte> request;
    const auto at =
        open_nfnetlink_message(request, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
                               NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                               socket->next_sequence(), static_cast<std::uint8_t>(family), 0);
    AttributeWriter attributes{request};
    put_tuple(attributes, CTA_TUPLE_ORIG, flow.protocol, flow.client, flow.destination);
    put_tuple(attributes, CTA_TUPLE_REPLY, flow.protocol, flow.replier, flow.client);
    attributes.put_be32(CTA_TIMEOUT, 600);
    if (flow.zone != 0) attributes.put_struct(CTA_ZONE, htons(flow.zone));
    close_message(request, at);
    ASSERT_TRUE(socket->send(request));
    const auto answer = socket->receive();
    ASSERT_TRUE(answer && *answer);
    for_each_message(**answer, [&](const Message& message) {
      const auto ack = parse_acknowledgement(message);
      ASSERT_TRUE(ack);
      ASSERT_EQ(ack->error, 0) << name_of(flow) << ": " << ack->text;
    });
  }

  // UDP from a client port of its own.
  Flow udp(const Endpoint& to, const Endpoint& replier) {
    const auto client = to.address.family() == Family::v4 ? "203.0.113.2" : "2001:db8:cb00::2";
    const Flow flow{Protocol::udp, endpoint(client, ++client_port), to, replier};
    insert(flow);
    return flow;
  }

  static std::set<std::string> flows() {
    std::set<std::string> names;
    std::ifstream file{"/proc/thread-self/net/nf_conntrack"};
    for (std::string line; std::getline(file, line);) {
      // "ipv4 2 udp 17 29 [state] src=… dst=… sport=… dport=… src=… … zone=0 use=2"
      std::istringstream words{line};
      std::string word;
      std::string protocol;
      for (int i = 0; i < 3; ++i) words >> protocol;
      std::map<std::string, std::string> first;
      while (words >> word) {
        const auto equals = word.find('=');
        if (equals != word.npos) first.emplace(word.substr(0, equals), word.substr(equals + 1));
      }
      const auto side = [&](const char* address, const char* port) {
        return endpoint(first.at(address), static_cast<std::uint16_t>(std::stoul(first.at(port))));
      };
      names.insert(protocol + " " + side("src", "sport").text() + " > " +
                   side("dst", "dport").text() + " zone " + first.at("zone"));
    }
    return names;
  }

  ConntrackCleanup remove_stale(
      const std::vector<ConntrackRule>& rules, std::size_t budget = kBudget,
      ConntrackNetlink::DeleteByFilter by_filter = ConntrackNetlink::DeleteByFilter::if_known) {
    auto netlink = ConntrackNetlink::open(by_filter);
    EXPECT_TRUE(netlink);
    const auto done = netlink->remove_stale(rules, kNodeAddresses, budget);
    EXPECT_TRUE(done) << done.error();
    return done ? *done : ConntrackCleanup{};
  }

  std::unique_ptr<netns::NetworkNamespace> net;
  std::unique_ptr<netns::Inside> inside;
  std::unique_ptr<NfnetlinkSocket> socket;
  std::uint16_t client_port = 1000;
};

ConntrackRule vip(std::string_view address, std::uint16_t port, EndpointList keep) {
  return {Scope::one_address, ip(address), Port{port}, std::move(keep)};
}

TEST_F(ConntrackNetlinkTest, TheConformanceTablesHold) {
  for (const auto& [name, objects, entries] : testing::conntrack_cases()) {
    for (const std::size_t budget : {std::size_t{0}, kBudget, std::size_t{100}}) {
      SCOPED_TRACE(name + ", at most " + std::to_string(budget) + " walks");
      const netns::NetworkNamespace own{false};
      const netns::Inside it{own};
      *socket = NfnetlinkSocket::open().value();
      std::set<std::string> kept;
      for (const auto& entry : entries) {
        const Flow flow{entry.protocol, endpoint("203.0.113.2", ++client_port),
                        entry.original_destination, entry.reply_source};
        insert(flow);
        if (entry.kept) kept.insert(name_of(flow));
      }
      ASSERT_EQ(flows().size(), entries.size());

      remove_stale(testing::rules_at_start(objects), budget);

      EXPECT_EQ(flows(), kept);
    }
  }
}

TEST_F(ConntrackNetlinkTest, OnlyWhatTheFilterLetsThroughIsHandedOver) {
  const auto kept = udp(endpoint("10.96.0.10", 53), endpoint("10.0.0.1", 53));
  udp(endpoint("10.96.0.10", 53), endpoint("10.0.0.2", 53));
  for (int i = 0; i < 500; ++i) udp(endpoint("10.96.0.11", 53), endpoint("10.0.0.3", 53));

  const auto done = remove_stale({vip("10.96.0.10", 53, {endpoint("10.0.0.1", 53)})});

  EXPECT_EQ(done.walks, 1U);
  EXPECT_EQ(done.seen, 2U);
  EXPECT_EQ(done.deleted[0], 1U);
  EXPECT_TRUE(done.complete);
  EXPECT_EQ(flows().size(), 501U);
  EXPECT_TRUE(flows().contains(name_of(kept)));
}

TEST_F(ConntrackNetlinkTest, WhereAllOfAVipGoesNothingIsHandedOver) {
  const auto kept = udp(endpoint("10.96.0.11", 53), endpoint("10.0.0.2", 53));
  for (int i = 0; i < 500; ++i) udp(endpoint("10.96.0.10", 53), endpoint("10.0.0.2", 53));

  const auto done = remove_stale({vip("10.96.0.10", 53, {})});

  // A kernel before 6.12 hands them over after all.
  EXPECT_TRUE(done.seen == 0 || done.deleted[0] == 500U) << done.seen;
  EXPECT_THAT(flows(), UnorderedElementsAre(name_of(kept)));
}

TEST_F(ConntrackNetlinkTest, AKernelThatDeletesNothingByFilterIsAskedForAListInstead) {
  const auto kept = udp(endpoint("10.96.0.11", 53), endpoint("10.0.0.2", 53));
  // More than a datagram of the kernel's holds.
  for (int i = 0; i < 2000; ++i) udp(endpoint("10.96.0.10", 53), endpoint("10.0.0.2", 53));

  const auto done =
      remove_stale({vip("10.96.0.10", 53, {})}, kBudget, ConntrackNetlink::DeleteByFilter::never);

  EXPECT_EQ(done.deleted[0], 2000U);
  EXPECT_THAT(flows(), UnorderedElementsAre(name_of(kept)));
}

TEST_F(ConntrackNetlinkTest, ManyVipsShareOneWalk) {
  std::vector<ConntrackRule> rules;
  std::set<std::string> kept;
  for (int i = 1; i <= 50; ++i) {
    const auto address = "10.96.1." + std::to_string(i);
    const auto port = static_cast<std::uint16_t>(1000 + i);
    rules.push_back(vip(address, port, {endpoint("10.0.0.1", 53)}));
    kept.insert(name_of(udp(endpoint(address, port), endpoint("10.0.0.1", 53))));
    udp(endpoint(address, port), endpoint("10.0.0.2", 53));
  }
  const auto done = remove_stale(rules);
  EXPECT_EQ(done.walks, 1U);
  EXPECT_EQ(done.deleted[0], 50U);
  EXPECT_EQ(flows(), kept);
}

TEST_F(ConntrackNetlinkTest, FamiliesAreWalkedApart) {
  const auto v4 = udp(endpoint("10.96.0.10", 53), endpoint("10.0.0.1", 53));
  const auto v6 = udp(endpoint("fd00::10", 53), endpoint("fd01::1", 53));
  udp(endpoint("fd00::10", 53), endpoint("fd01::2", 53));
  udp(endpoint("fd00::11", 53), endpoint("fd01::2", 53));

  remove_stale({vip("fd00::10", 53, {endpoint("fd01::1", 53)}), vip("fd00::11", 53, {})});

  EXPECT_THAT(flows(), UnorderedElementsAre(name_of(v4), name_of(v6)));
}

TEST_F(ConntrackNetlinkTest, AFlowInAZoneIsDeletedThere) {
  Flow flow{Protocol::udp, endpoint("203.0.113.2", 999), endpoint("10.96.0.10", 53),
            endpoint("10.0.0.2", 53)};
  insert(flow);
  flow.zone = 7;
  flow.replier = endpoint("10.0.0.1", 53);
  insert(flow);
  remove_stale({vip("10.96.0.10", 53, {endpoint("10.0.0.1", 53)})});
  EXPECT_THAT(flows(), UnorderedElementsAre(name_of(flow)));
  remove_stale({vip("10.96.0.10", 53, {endpoint("10.0.0.9", 53)})});
  EXPECT_THAT(flows(), IsEmpty());
}

TEST_F(ConntrackNetlinkTest, ANodePortThatIsGoneLeavesFlowsThatOnlyPassThrough) {
  const auto passing = udp(endpoint("198.51.100.9", 30053), endpoint("198.51.100.9", 30053));
  udp(endpoint("192.168.0.2", 30053), endpoint("10.0.0.1", 53));
  remove_stale({ConntrackRule{Scope::node_addresses, IpAddress::any(Family::v4), Port{30053}, {}}});
  EXPECT_THAT(flows(), UnorderedElementsAre(name_of(passing)));
}

// A client that sends to a service for real: its packets are translated and tracked by the kernel.
TEST_F(ConntrackNetlinkTest, AClientIsServedByTheNewEndpointAfterTheCleanup) {
  const auto translate_to = [](const std::string& port) {
    const auto script =
        "nft 'add table ip t; flush table ip t; "
        "add chain ip t c { type nat hook output priority -100; }; "
        "add rule ip t c ip daddr 10.96.0.10 udp dport 53 dnat to 127.0.0.1:" +
        port + "'";
    return std::system(("ip route replace 10.96.0.0/16 dev lo; " + script).c_str());
  };
  const auto udp_socket = [](std::uint16_t port) {
    UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const timeval patience{.tv_sec = 0, .tv_usec = 200'000};
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  };
  const auto client = udp_socket(4000);
  const auto old_endpoint = udp_socket(5001);
  const auto new_endpoint = udp_socket(5002);
  const auto send = [&] {
    sockaddr_in vip{};
    vip.sin_family = AF_INET;
    vip.sin_addr.s_addr = htonl(0x0a60000a);
    vip.sin_port = htons(53);
    EXPECT_EQ(::sendto(client.get(), "?", 1, 0, reinterpret_cast<sockaddr*>(&vip), sizeof(vip)), 1);
  };
  const auto gets_it = [](const UniqueFd& fd) {
    char byte = 0;
    return ::recv(fd.get(), &byte, 1, 0) == 1;
  };
  ASSERT_EQ(translate_to("5001"), 0);
  send();
  ASSERT_TRUE(gets_it(old_endpoint));
  ASSERT_EQ(translate_to("5002"), 0);
  send();
  ASSERT_TRUE(gets_it(old_endpoint)) << "the flow goes on where it went";

  remove_stale({vip("10.96.0.10", 53, {endpoint("127.0.0.1", 5002)})});

  send();
  EXPECT_TRUE(gets_it(new_endpoint));
}

TEST_F(ConntrackNetlinkTest, TheCleanerPaysWhatIsOwedAndWhatComesMeanwhile) {
  auto dns = service("dns", "10.96.0.10");
  dns.ports[0] = {"dns", Protocol::udp, Port{53}, std::nullopt, Port{53}};
  auto slice = [](std::string_view address) {
    auto it = proxy::state::testing::slice("dns-1", "dns", {slice_endpoint(address)});
    it.ports = {{"dns", Protocol::udp, Port{53}}};
    return it;
  };
  const auto first = udp(endpoint("10.96.0.10", 53), endpoint("10.0.0.1", 53));
  udp(endpoint("10.96.0.10", 53), endpoint("10.0.0.9", 53));
  proxy::state::ServiceTable table{{"node-a"}};
  table.replace({dns, slice("10.0.0.1")});

  boost::asio::io_context io;
  std::unique_ptr<ConntrackCleaner> cleaner;
  std::vector<std::set<std::string>> after;
  auto opened =
      ConntrackCleaner::open(io.get_executor(), {.node_addresses = [] { return kNodeAddresses; },
                                                 .report =
                                                     [&](const ConntrackCleaner::Report& report) {
                                                       EXPECT_TRUE(report.outcome);
                                                       after.push_back(flows());
                                                       if (after.size() > 1) return;
                                                       table.replace({dns});
                                                       cleaner->note(table, table.take_changes());
                                                       cleaner->written();
                                                     }});
  ASSERT_TRUE(opened);
  cleaner = std::move(*opened);
  cleaner->note_all(table);
  static_cast<void>(table.take_changes());
  cleaner->written();
  io.run();

  ASSERT_EQ(after.size(), 2U);
  EXPECT_THAT(after[0], UnorderedElementsAre(name_of(first)));
  EXPECT_THAT(after[1], IsEmpty());
}

}  // namespace
}  // namespace modes::netfilter
