#include "proxy/records/names.hpp"
#include "proxy/records/timestamp.hpp"
#include "proxy/records/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace proxy::records {
namespace {

TEST(Names, LabelsAreLowercaseAndShort) {
  for (const auto* good : {"a", "web-0", "0a", "a--b"}) EXPECT_TRUE(is_dns_label(good)) << good;
  for (const auto* bad : {"", "-a", "a-", "A", "a_b", "a.b", "a b", "\xc3\xa4"}) {
    EXPECT_FALSE(is_dns_label(bad)) << bad;
  }
  EXPECT_TRUE(is_dns_label(std::string(63, 'a')));
  EXPECT_FALSE(is_dns_label(std::string(64, 'a')));
}

TEST(Names, SubdomainsAreLabelsWithDots) {
  for (const auto* good : {"a", "a.b", "node-1.example.test"}) {
    EXPECT_TRUE(is_dns_subdomain(good)) << good;
  }
  for (const auto* bad : {"", ".", "a.", ".a", "a..b", "a.-b"}) {
    EXPECT_FALSE(is_dns_subdomain(bad)) << bad;
  }
  EXPECT_FALSE(is_dns_subdomain(std::string(254, 'a')));
}

TEST(Names, QuotingLeavesNothingThatATerminalObeys) {
  EXPECT_EQ(in_quotes("a\x1b[2J\n\xff"), R"("a\x1b[2J\n\xff")");
  EXPECT_EQ(in_quotes(std::string(65, 'x')), '"' + std::string(64, 'x') + "…\"");
}

TEST(Timestamps, AreReadAsRfc3339HasThem) {
  using namespace std::chrono;
  const auto noon = sys_days{January / 31 / 2026} + hours{12};
  EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00Z"), noon);
  EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00.25Z"), noon + milliseconds{250});
  EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00.1234567891Z"), noon + nanoseconds{123456789});
  EXPECT_EQ(parse_rfc3339("2026-01-31T13:30:00+01:30"), noon);
  EXPECT_EQ(parse_rfc3339("2026-01-31t11:00:00-01:00"), noon);
  for (const auto* bad : {"", "2026", "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z",
                          "2026-01-31T12:00:00", "2026-01-31T12:00:00Zx", "2026-01-31T12:00:00.Z",
                          "9999-01-31T12:00:00Z", "2026-01-31T12:00:00+0100"}) {
    EXPECT_EQ(parse_rfc3339(bad), std::nullopt) << bad;
  }
}

TEST(Text, IsUtf8WithoutControlCharacters) {
  EXPECT_EQ(find_not_text("plain\ttext\r\n\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"), std::nullopt);
  EXPECT_EQ(find_not_text(""), std::nullopt);
  EXPECT_EQ(find_not_text(std::string_view{"a\0b", 3}), 1U);
  EXPECT_EQ(find_not_text("ab\x1b"), 2U);
  for (const auto* bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1"}) {
    EXPECT_EQ(find_not_text(bad), 0U);
  }
}

}  // namespace
}  // namespace proxy::records
