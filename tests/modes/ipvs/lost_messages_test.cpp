// What happens when the kernel has to throw messages away (ENOBUFS), caused for real: a receive
// buffer that holds a few, and more than a few.
#include "modes/ipvs/libnl_socket.hpp"
#include "modes/ipvs/vip_link.hpp"
#include "tests/netns/network_namespace.hpp"
#include "tests/netns/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netlink/msg.h>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace modes::ipvs {
namespace {

class LostMessages : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = netns::why_no_namespaces(); !why.empty()) GTEST_SKIP() << why;
    net_.emplace(false);
    inside_.emplace(*net_);
  }
  // The least that the kernel gives: two or three messages.
  static void leave_little_room(int fd) {
    const int size = 1;
    ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
  }
  void ip(const std::string& batch) { netns::run_or_fail(*net_, {"ip", "-batch", "-"}, batch); }

  std::optional<netns::NetworkNamespace> net_;
  std::optional<netns::Inside> inside_;
};

TEST_F(LostMessages, ChangesThatAnotherToolMadeMeanwhileMayHaveBeenAnything) {
  auto link = VipLink::open();
  ASSERT_TRUE(link) << link.error().text();
  leave_little_room(link->news_fd());
  std::string burst;
  for (int i = 1; i < 100; ++i) {
    burst += "addr add 192.168.77." + std::to_string(i) + "/32 dev lo\n";
  }
  ip(burst);
  const auto news = link->news();
  EXPECT_TRUE(news.vips) << "perhaps, though none of them was";
  EXPECT_TRUE(news.node_addresses);
  const auto now = link->addresses();
  ASSERT_TRUE(now) << now.error().text();
  EXPECT_EQ(now->others.size(), 101U) << "and the loopback addresses";
  // It hears again.
  EXPECT_FALSE(link->news().any());
  ip("addr del 192.168.77.1/32 dev lo\n");
  EXPECT_TRUE(link->news().node_addresses);
}

// Requests that are all refused: to take away what is not there.
std::vector<std::byte> hopeless_requests(std::uint32_t first, std::size_t count) {
  std::vector<std::byte> out;
  for (std::size_t i = 0; i < count; ++i) {
    const NlMessage message{nlmsg_alloc_simple(RTM_DELADDR, NLM_F_REQUEST)};
    ifaddrmsg address{};
    address.ifa_family = AF_INET;
    address.ifa_prefixlen = 32;
    address.ifa_index = 4711;
    nlmsg_append(message.get(), &address, sizeof(address), NLMSG_ALIGNTO);
    auto* header = nlmsg_hdr(message.get());
    header->nlmsg_seq = first + static_cast<std::uint32_t>(i);
    if (i + 1 == count) header->nlmsg_flags |= NLM_F_ACK;
    append_message(message.get(), out);
  }
  return out;
}

TEST_F(LostMessages, AnswersThatAreLostAreAnErrorAndTheNextExchangeIsInOrder) {
  constexpr std::size_t kMany = 200;
  auto socket = LibnlSocket::open(NETLINK_ROUTE);
  ASSERT_TRUE(socket) << socket.error().text();
  auto first = socket->take_sequence(kMany);
  const auto all = socket->transact(hopeless_requests(first, kMany), first, kMany);
  ASSERT_TRUE(all) << all.error().text();
  EXPECT_EQ(all->size(), kMany) << "with room for them, each is named";

  leave_little_room(socket->fd());
  first = socket->take_sequence(kMany);
  const auto some = socket->transact(hopeless_requests(first, kMany), first, kMany);
  ASSERT_FALSE(some);
  EXPECT_EQ(some.error().code, std::errc::no_buffer_space) << some.error().text();
  EXPECT_THAT(some.error().text(), testing::HasSubstr("what became of the changes is not known"));

  first = socket->take_sequence();
  const auto one = socket->transact(hopeless_requests(first, 1), first, 1);
  ASSERT_TRUE(one) << one.error().text();
  EXPECT_EQ(one->size(), 1U);
}

}  // namespace
}  // namespace modes::ipvs
