#include "proxy/ip_address.hpp"

#include <gtest/gtest.h>

namespace proxy {
namespace {

TEST(IpAddress, TextRoundTripsInBothFamilies) {
  for (const auto* text :
       {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "fd00:10:180::7"}) {
    const auto address = parse_ip(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
}

TEST(IpAddress, LeadingZerosOfAnOctetAreDecimalAsInParseIPSloppy) {
  EXPECT_EQ(parse_ip("172.30.0.041")->text(), "172.30.0.41");
  EXPECT_EQ(parse_prefix("203.0.113.000/025")->text(), "203.0.113.0/25");
}

TEST(IpAddress, AMappedAddressIsTheIPv4OneItMaps) {
  EXPECT_EQ(parse_ip("::ffff:10.0.0.1")->text(), "10.0.0.1");
}

TEST(IpAddress, WhatIsNoAddressIsRefusedAndQuoted) {
  for (const auto* text : {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", "::1%eth0",
                           "g::", "1..2.3", "+1.2.3.4", "0x1.2.3.4"}) {
    const auto address = parse_ip(text);
    ASSERT_FALSE(address) << text;
    EXPECT_NE(address.error().text().find(text), std::string::npos);
  }
}

TEST(IpPrefix, HostBitsAreClearedAndContainsKnowsFamilies) {
  const auto prefix = parse_prefix("10.1.2.3/20");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->text(), "10.1.0.0/20");
  EXPECT_TRUE(prefix->contains(*parse_ip("10.1.15.255")));
  EXPECT_FALSE(prefix->contains(*parse_ip("10.1.16.0")));
  EXPECT_FALSE(parse_prefix("0.0.0.0/0")->contains(*parse_ip("::1")));
  EXPECT_TRUE(parse_prefix("::/0")->contains(*parse_ip("fd00::1")));
}

TEST(IpPrefix, WhatIsNoPrefixIsRefused) {
  for (const auto* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "/8", "10.0.0.0/-1"}) {
    EXPECT_FALSE(parse_prefix(text)) << text;
  }
}

}  // namespace
}  // namespace proxy
