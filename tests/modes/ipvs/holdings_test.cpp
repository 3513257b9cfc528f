#include "modes/ipvs/holdings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace modes::ipvs {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

IpAddress ip(const char* text) {
  return *proxy::parse_ip(text);
}

class HoldingsTest : public testing::Test {
 protected:
  const VirtualServerKey vip_{ip("172.30.0.1"), Port{80}, Protocol::tcp};
  const ServicePortName first_{{"ns", "first"}, "", Protocol::tcp, Family::v4};
  const ServicePortName second_{{"ns", "second"}, "", Protocol::tcp, Family::v4};

  Forwarding with(Fate fate, const char* endpoint = "10.0.0.1") const {
    Forwarding out;
    out.servers[vip_].real_servers.push_back({{ip(endpoint), Port{80}}});
    out.addresses.insert(vip_.address);
    out.vips[vip_] = fate;
    return out;
  }
  void set(const ServicePortName& name, const Forwarding& wanted) { holdings_.set(name, &wanted); }

  Holdings holdings_;
};

TEST_F(HoldingsTest, ChangedEndpointsChangeNothingOfIt) {
  set(first_, with(Fate::external));
  EXPECT_THAT(holdings_.vips.take_changes(), SizeIs(1));
  set(first_, with(Fate::external, "10.0.0.2"));
  EXPECT_THAT(holdings_.vips.take_changes(), IsEmpty());
}

TEST_F(HoldingsTest, AVipThatTwoWantStaysWithWhoeverHadItWhateverElseChanges) {
  set(first_, with(Fate::external));
  set(second_, with(Fate::external));
  set(first_, with(Fate::external, "10.0.0.2"));
  EXPECT_EQ(holdings_.servers.find(vip_), first_);
  set(first_, with(Fate::local));
  EXPECT_EQ(holdings_.servers.find(vip_), first_);
  holdings_.set(first_, nullptr);
  EXPECT_EQ(holdings_.servers.find(vip_), second_);
  EXPECT_EQ(holdings_.vips.find(vip_), Fate::external);
}

TEST_F(HoldingsTest, AFateThatChangesIsOneChangeAndNothingIsLeftInTheEnd) {
  set(first_, with(Fate::external));
  (void)holdings_.vips.take_changes();
  set(first_, with(Fate::local));
  const auto changes = holdings_.vips.take_changes();
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes.front().before, Fate::external);
  EXPECT_EQ(changes.front().after, Fate::local);
  holdings_.set(first_, nullptr);
  EXPECT_EQ(holdings_.vips.size(), 0U);
  EXPECT_EQ(holdings_.addresses.size(), 0U);
  EXPECT_EQ(holdings_.servers.size(), 0U);
  EXPECT_THAT(holdings_.names(), IsEmpty());
}

}  // namespace
}  // namespace modes::ipvs
