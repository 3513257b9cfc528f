#include "proxy/records/mirror.hpp"

#include <gmock/gmock.h>

namespace proxy::records {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

SliceEndpoint endpoint(std::string_view address) {
  SliceEndpoint endpoint;
  endpoint.address = *parse_ip(address);
  return endpoint;
}

TEST(Mirror, GivesOneSlicePerSubsetAndFamily) {
  const SlicePort http{"http", Protocol::tcp, Port{80}};
  Endpoints web{.name = {"shop", "web"}, .headless_label = false, .subsets = {}};
  web.subsets.push_back(
      {{endpoint("10.0.0.1"), endpoint("fd00::1"), endpoint("10.0.0.2")}, {http}});
  web.subsets.push_back({{endpoint("10.0.0.3")}, {}});

  const auto slices = mirrored(web);

  ASSERT_THAT(slices, SizeIs(3));
  EXPECT_EQ(slices[0].name, (ObjectName{"shop", "web~endpoints-ipv4-0"}));
  EXPECT_EQ(slices[0].service, "web");
  EXPECT_EQ(slices[0].family, Family::v4);
  EXPECT_THAT(slices[0].ports, ElementsAre(http));
  EXPECT_THAT(slices[0].endpoints, ElementsAre(endpoint("10.0.0.1"), endpoint("10.0.0.2")));
  EXPECT_EQ(slices[1].name, (ObjectName{"shop", "web~endpoints-ipv6-0"}));
  EXPECT_EQ(slices[1].family, Family::v6);
  EXPECT_THAT(slices[1].endpoints, ElementsAre(endpoint("fd00::1")));
  EXPECT_EQ(slices[2].name, (ObjectName{"shop", "web~endpoints-ipv4-1"}));
}

TEST(Mirror, GivesNothingForNoAddresses) {
  EXPECT_THAT(mirrored({.name = {"shop", "web"}, .headless_label = false, .subsets = {{}}}),
              IsEmpty());
}

}  // namespace
}  // namespace proxy::records
