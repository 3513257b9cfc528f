#include "dns/cookie.hpp"

#include "dns/siphash.hpp"

#include <gtest/gtest.h>

namespace dns {
namespace {

const proxy::IpAddress kClient = *proxy::parse_ip("198.51.100.100");

// RFC 9018, appendix A.1: key, client cookie, client address, time and the cookie that results.
constexpr SipKey kKey{0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f,
                      0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37, 0xbf, 0xcf};
constexpr std::array<std::uint8_t, 8> kClientCookie{0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57};
constexpr CookieOption kExpected{0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57,
                                 0x01, 0x00, 0x00, 0x00, 0x5c, 0xf7, 0x9f, 0x11,
                                 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80};
constexpr std::uint32_t kThen = 1559731985;

TEST(SipHash, GivesThePapersTestVector) {
  SipKey key;
  std::array<std::uint8_t, 15> data;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(siphash24(key, data), 0xa129ca6149be45e5u);
}

TEST(Cookie, IsTheOneOfTheRfc) {
  EXPECT_EQ(make_cookie(kKey, kClientCookie, kClient, kThen), kExpected);
}

TEST(Cookie, IsValidForItsClientForAnHour) {
  const auto cookie = make_cookie(kKey, kClientCookie, kClient, kThen);
  EXPECT_TRUE(is_valid_cookie(kKey, cookie, kClient, kThen));
  EXPECT_TRUE(is_valid_cookie(kKey, cookie, kClient, kThen + 3600));
  EXPECT_FALSE(is_valid_cookie(kKey, cookie, kClient, kThen + 3601));
  EXPECT_TRUE(is_valid_cookie(kKey, cookie, kClient, kThen - 300));
  EXPECT_FALSE(is_valid_cookie(kKey, cookie, kClient, kThen - 301));
  EXPECT_FALSE(is_valid_cookie(kKey, cookie, *proxy::parse_ip("198.51.100.101"), kThen));
}

TEST(Cookie, ChangedInAnyBitIsNotValid) {
  const auto cookie = make_cookie(kKey, kClientCookie, kClient, kThen);
  for (std::size_t bit = 0; bit < cookie.size() * 8; ++bit) {
    auto changed = cookie;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1u << bit % 8);
    EXPECT_FALSE(is_valid_cookie(kKey, changed, kClient, kThen)) << bit;
  }
  EXPECT_FALSE(is_valid_cookie(kKey, kClientCookie, kClient, kThen));
}

}  // namespace
}  // namespace dns
