#include "proxy/forwarding_table.hpp"

#include "tests/fakes/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

records::EndpointSlice endpoints_of(const std::string& service, std::uint8_t count,
                                    const std::string& node) {
  records::EndpointSlice slice;
  slice.name = {"ns", service + "-1"};
  slice.service = service;
  slice.ports = {{.name = "", .port = Port{8080}}};
  for (std::uint8_t i = 1; i <= count; ++i) {
    records::SliceEndpoint endpoint;
    endpoint.address = IpAddress::v4(0x0a000000U | i);
    endpoint.node = std::make_shared<const std::string>(node);
    slice.endpoints.push_back(std::move(endpoint));
  }
  return slice;
}

std::string table_of(std::vector<records::Record> records) {
  state::ServiceTable table{{.name = "node-a"}};
  table.replace(std::move(records));
  return forwarding_table(table);
}

TEST(ForwardingTable, OfNothingIsEmpty) {
  EXPECT_THAT(table_of({}), IsEmpty());
}

TEST(ForwardingTable, HasALineForEachVip) {
  auto service = fakes::service("web", 1);
  service.type = records::ServiceType::node_port;
  service.ports[0].node_port = Port{30080};
  EXPECT_EQ(table_of({service, endpoints_of("web", 2, "node-a")}),
            "SERVICE PORT  VIP                       POLICY   TRAFFIC GOES TO\n"
            "ns/web        TCP 10.96.0.1:80          Cluster  10.0.0.1:8080, 10.0.0.2:8080\n"
            "              TCP IPv4 node port 30080  Cluster  10.0.0.1:8080, 10.0.0.2:8080\n");
}

TEST(ForwardingTable, SaysWhatBecomesOfTrafficWithoutEndpoint) {
  EXPECT_THAT(table_of({fakes::service("web", 1)}), HasSubstr("Cluster  no endpoint: rejected\n"));
  auto local = fakes::service("web", 1);
  local.internal_policy = records::TrafficPolicy::local;
  EXPECT_THAT(table_of({local, endpoints_of("web", 1, "node-b")}),
              HasSubstr("Local   no endpoint on this node: dropped\n"));
}

TEST(ForwardingTable, ShortensLongListsAndNamesRestrictions) {
  auto service = fakes::service("web", 1);
  service.client_ip_affinity = std::chrono::seconds{600};
  EXPECT_THAT(table_of({service, endpoints_of("web", 10, "node-b")}),
              HasSubstr("10.0.0.4:8080 and 6 more; session affinity 600 s\n"));
}

}  // namespace
}  // namespace proxy
