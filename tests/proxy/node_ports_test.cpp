#include "proxy/node_ports.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

namespace proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

IpAddress ip(std::string_view text) {
  return parse_ip(text).value();
}
IpPrefix range(std::string_view text) {
  return parse_prefix(text).value();
}

TEST(PrimaryAddresses, AreTheFirstOfEachFamily) {
  const std::vector addresses{ip("2001:db8::2"), ip("192.168.0.2"), ip("192.168.1.2"),
                              ip("2001:db8:1::2")};
  EXPECT_THAT(primary_addresses(addresses, {}), ElementsAre(ip("192.168.0.2"), ip("2001:db8::2")));
  EXPECT_THAT(primary_addresses(std::vector{ip("fd00::1")}, {}), ElementsAre(ip("fd00::1")));
  EXPECT_THAT(primary_addresses({}, {}), IsEmpty());
}

TEST(PrimaryAddresses, AreWhatIsBoundToInItsFamily) {
  const std::vector addresses{ip("192.168.0.2"), ip("2001:db8::2")};
  EXPECT_THAT(primary_addresses(addresses, ip("192.168.1.2")),
              ElementsAre(ip("192.168.1.2"), ip("2001:db8::2")));
  EXPECT_THAT(primary_addresses({}, ip("2001:db8:1::2")), ElementsAre(ip("2001:db8:1::2")));
  EXPECT_THAT(primary_addresses(addresses, ip("::")),
              ElementsAre(ip("192.168.0.2"), ip("2001:db8::2")));
}

TEST(NodePortAddresses, LimitOnlyTheFamiliesThatTheyNameAndNeverByARangeOfEverything) {
  const NodePortAddresses ranges{
      .ranges = {range("10.0.0.0/8"), range("2001:db8::/64"), range("127.0.0.0/8")}};
  EXPECT_THAT(ranges.limits(Family::v4, {}),
              ElementsAre(range("10.0.0.0/8"), range("127.0.0.0/8")));
  EXPECT_THAT(ranges.limits(Family::v6, {}), ElementsAre(range("2001:db8::/64")));

  const NodePortAddresses v4{.ranges = {range("10.0.0.0/8")}};
  EXPECT_THAT(v4.limits(Family::v6, {}), IsEmpty());

  const NodePortAddresses all{.ranges = {range("10.0.0.0/8"), range("0.0.0.0/0")}};
  EXPECT_THAT(all.limits(Family::v4, {}), IsEmpty());
}

TEST(NodePortAddresses, OfPrimaryAreThePrimaryAddressOfEachFamilyThatHasOne) {
  const NodePortAddresses primary{.primary = true, .ranges = {}};
  const std::vector primaries{ip("192.168.0.2")};
  EXPECT_THAT(primary.limits(Family::v4, primaries), ElementsAre(range("192.168.0.2/32")));
  EXPECT_THAT(primary.limits(Family::v6, primaries), IsEmpty());
  EXPECT_THAT(NodePortAddresses{}.limits(Family::v4, primaries), IsEmpty());
}

}  // namespace
}  // namespace proxy
