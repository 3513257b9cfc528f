#include "dns/forward/options.hpp"

#include <gmock/gmock.h>

namespace dns::forward {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(UpstreamAddress, IsWrittenAsItWasGiven) {
  EXPECT_EQ(parse_upstream("10.0.0.2")->text(), "10.0.0.2:53");
  EXPECT_EQ(parse_upstream("[fd00::2]:5353")->text(), "[fd00::2]:5353");
  EXPECT_EQ(parse_upstream("tls://1.1.1.1")->text(), "tls://1.1.1.1:853");
  EXPECT_EQ(parse_upstream("tls://1.1.1.1:8853#one.one.one.one")->text(),
            "tls://1.1.1.1:8853#one.one.one.one");
}

TEST(UpstreamAddress, WhatNobodyAnswersAtIsRefused) {
  for (const char* text :
       {"", "dns.example", "0.0.0.0", "10.0.0.2:0", "https://1.1.1.1", "tls://"}) {
    EXPECT_FALSE(parse_upstream(text)) << text;
  }
}

TEST(ResolvConf, NameServersAndTheLastSearchListCount) {
  const auto conf = parse_resolv_conf(
      "# a comment\n"
      "domain first.example\n"
      "nameserver 10.0.0.2\n"
      "nameserver\tfe80::1%eth0   ; the router\n"
      "nameserver nonsense\n"
      "  search a.example b.example. .\n"
      "options ndots:5\n"
      "nameserver fd00::2");
  ASSERT_THAT(conf.name_servers, SizeIs(3));
  EXPECT_EQ(conf.name_servers[0].text(), "10.0.0.2:53");
  EXPECT_EQ(conf.name_servers[1].text(), "[fe80::1]:53");
  EXPECT_EQ(conf.name_servers[2].text(), "[fd00::2]:53");
  ASSERT_THAT(conf.search, SizeIs(2));
  EXPECT_EQ(conf.search[1].text(), "b.example.");
  EXPECT_THAT(parse_resolv_conf("").name_servers, IsEmpty());
}

}  // namespace
}  // namespace dns::forward
