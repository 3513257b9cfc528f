#include "dns/address_name.hpp"

#include "dns/service_records.hpp"

#include <gtest/gtest.h>

#include <string>

namespace dns {
namespace {

std::string reverse_of(std::string_view text) {
  const auto address = parse_reverse_name(*parse_name(text));
  return address ? address->text() : "none";
}
std::string dashed(std::string_view text) {
  const auto label = dashed_label(wire_bytes(*proxy::parse_ip(text)));
  return std::string{text_of(label.wire().subspan(1))};
}
std::string undashed(std::string_view label) {
  const auto address = parse_dashed(label);
  return address ? address->text() : "none";
}

TEST(ReverseName, WholeNamesOfBothFamiliesAreRead) {
  EXPECT_EQ(reverse_of("100.19.96.10.in-addr.arpa"), "10.96.19.100");
  EXPECT_EQ(reverse_of("0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.3.1.0.0.0.0.0.0.6.9.0.0.0.0.D.F.IP6.ARPA"),
            "fd00:96:0:13::100");
}

TEST(ReverseName, PartsAndOtherNumbersAreNone) {
  for (const char* text : {"in-addr.arpa", "19.96.10.in-addr.arpa", "1.100.19.96.10.in-addr.arpa",
                           "256.19.96.10.in-addr.arpa", "01.19.96.10.in-addr.arpa",
                           "x.19.96.10.in-addr.arpa", "d.f.ip6.arpa", "1.2.3.4.example.arpa"}) {
    EXPECT_EQ(reverse_of(text), "none") << text;
  }
  EXPECT_TRUE(is_reverse_name(*parse_name("19.96.10.in-addr.arpa")));
  EXPECT_FALSE(is_reverse_name(*parse_name("in-addr.example")));
}

TEST(DashedAddress, IsWrittenAsTheSchemaHasIt) {
  EXPECT_EQ(dashed("10.136.0.2"), "10-136-0-2");
  EXPECT_EQ(dashed("255.255.255.255"), "255-255-255-255");
  EXPECT_EQ(dashed("fd00:244::1"), "fd00-244--1");
  EXPECT_EQ(dashed("::1"), "0--1");  // a host name neither begins nor ends with a dash
  EXPECT_EQ(dashed("fd00::"), "fd00--0");
  EXPECT_EQ(dashed("::"), "0--0");
  EXPECT_EQ(dashed("1:0:0:2:0:0:0:3"), "1-0-0-2--3");
  EXPECT_EQ(dashed("1:0:2:3:4:5:6:7"), "1-0-2-3-4-5-6-7");
}

TEST(DashedAddress, IsReadBack) {
  for (const char* text : {"10.0.0.7", "0.0.0.0", "fd00:244::1", "::1", "::", "1::", "1:0:0:2::3",
                           "2001:db8:1:2:3:4:5:6"}) {
    EXPECT_EQ(undashed(dashed(text)), text);
  }
}

TEST(DashedAddress, OtherLabelsAreNone) {
  for (const char* label :
       {"", "web", "foo-0", "10-0-0", "10-0-0-256", "10-0-0-07", "1-2-3-4-5", "172-0-0-2-",
        "-1-2-3-4", "abc", "beef", "g--1", "1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16-17-18"}) {
    EXPECT_EQ(undashed(label), "none") << label;
  }
}

}  // namespace
}  // namespace dns
