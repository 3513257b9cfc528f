#include "proxy/status/service_list.hpp"

#include "tests/fakes/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace proxy::status {
namespace {

records::EndpointSlice slice(const std::string& service, std::vector<std::uint8_t> last,
                             const char* node = "other") {
  records::EndpointSlice out;
  out.name = {"ns", service + "-slice"};
  out.service = service;
  out.ports = {{.name = "", .protocol = Protocol::tcp, .port = Port{8080}}};
  for (const auto byte : last) {
    records::SliceEndpoint endpoint;
    endpoint.address = IpAddress::v4(0x0af40000U | byte);
    endpoint.node = std::make_shared<const std::string>(node);
    out.endpoints.push_back(std::move(endpoint));
  }
  return out;
}

class ServiceList : public testing::Test {
 protected:
  ServiceList() {
    auto local = fakes::service("local", 3);
    local.internal_policy = records::TrafficPolicy::local;
    auto outer = fakes::service("outer", 4);
    outer.external_ips = {*parse_ip("192.0.2.9")};
    table_.replace({fakes::service("cart", 1), slice("cart", {7, 8}), fakes::service("empty", 2),
                    local, slice("local", {9}), outer, slice("outer", {7})});
  }
  YAML::Node ask(const ServiceQuery& query) {
    JsonWriter json;
    json.begin_object();
    write_services(json, table_, set_aside_, query, traffic_);
    json.end_object();
    return YAML::Load(json.take())["services"];
  }
  std::vector<std::string> names(const ServiceQuery& query) {
    std::vector<std::string> out;
    for (const auto& row : ask(query)["rows"]) out.push_back(row["name"].as<std::string>());
    return out;
  }

  state::ServiceTable table_{{.name = "here"}};
  sync::SetAsideBook set_aside_;
  TrafficOf traffic_;
};

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(ServiceList, SaysHowEachServiceFares) {
  set_aside_.update({{{{"ns", "outer"}, "", Protocol::tcp, Family::v4}, invalid("no")}});
  const auto services = ask({});
  std::map<std::string, std::string> fares;
  for (const auto& row : services["rows"]) {
    fares[row["name"].as<std::string>()] = row["state"].as<std::string>();
  }
  EXPECT_EQ(fares, (std::map<std::string, std::string>{{"ns/cart", "up"},
                                                       {"ns/empty", "down"},
                                                       {"ns/local", "partial"},
                                                       {"ns/outer", "refused"}}));
  EXPECT_EQ(services["byState"]["up"].as<int>(), 1);
  EXPECT_EQ(services["matching"].as<int>(), 4);
}

TEST_F(ServiceList, RowsHaveVipsAndEndpoints) {
  const auto row = ask({.filter = "OUTER"})["rows"][0];
  EXPECT_EQ(row["vips"][0]["address"].as<std::string>(), "10.96.0.4:80");
  EXPECT_EQ(row["vips"][1]["address"].as<std::string>(), "192.0.2.9:80");
  EXPECT_EQ(row["vips"][1]["role"].as<std::string>(), "external IP");
  EXPECT_EQ(row["endpoints"][0]["address"].as<std::string>(), "10.244.0.7:8080");
  EXPECT_EQ(row["endpoints"][0]["use"].as<std::string>(), "all");
  EXPECT_EQ(ask({.filter = "local"})["rows"][0]["endpoints"][0]["use"].as<std::string>(), "none");
}

TEST_F(ServiceList, IsFilteredByPartsOfNamesAndByAddresses) {
  EXPECT_THAT(names({.filter = "NS/ca"}), ElementsAre("ns/cart"));
  EXPECT_THAT(names({.filter = "10.244.0.7"}), ElementsAre("ns/cart", "ns/outer"));
  EXPECT_THAT(names({.filter = "192.0.2.9"}), ElementsAre("ns/outer"));
  EXPECT_THAT(names({.filter = "10.96.0.1"}), ElementsAre("ns/cart")) << "not 10.96.0.1…";
  EXPECT_THAT(names({.filter = "nowhere"}), IsEmpty());
  EXPECT_THAT(names({.filter = "", .fare = Fare::down}), ElementsAre("ns/empty"));
}

TEST_F(ServiceList, RowsHaveTheTrafficThatIsKnown) {
  modes::Traffic traffic;
  traffic.total = {.connections = 12, .bytes_in = 3'000'000'000'000};
  traffic.endpoints[{*parse_ip("10.244.0.7"), Port{8080}}] = {.connections = 12, .bytes_in = 7};
  traffic.since = std::chrono::system_clock::time_point{std::chrono::seconds{1'000'000'000}};
  traffic_[{{"ns", "cart"}, "", Protocol::tcp, Family::v4}] =
      std::make_shared<const modes::Traffic>(traffic);
  const auto cart = ask({.filter = "cart"})["rows"][0];
  EXPECT_EQ(cart["traffic"]["connections"].as<int>(), 12);
  EXPECT_EQ(cart["traffic"]["bytesIn"].as<std::uint64_t>(), 3'000'000'000'000U);
  EXPECT_THAT(cart["traffic"]["since"].as<std::string>(),
              testing::StartsWith("2001-09-09T01:46:40"));
  EXPECT_FALSE(cart["traffic"]["bytesOut"]) << "not known, which is not 0";
  EXPECT_EQ(cart["endpoints"][0]["traffic"]["bytesIn"].as<int>(), 7);
  EXPECT_EQ(cart["endpoints"][1]["traffic"]["connections"].as<int>(), 0) << "nobody went there";
  EXPECT_FALSE(cart["endpoints"][1]["traffic"]["bytesOut"]);
  const auto outer = ask({.filter = "outer"})["rows"][0];
  EXPECT_EQ(outer["traffic"].size(), 0U) << "nothing was read of it";
  EXPECT_EQ(outer["endpoints"][0]["traffic"].size(), 0U);
}

TEST_F(ServiceList, APageIsReadOfThoseThatItShows) {
  const auto page = page_of_services(table_, set_aside_, {.offset = 1, .limit = 2});
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page[0].text(), "ns/empty");
  EXPECT_EQ(page[1].text(), "ns/local");
}

TEST_F(ServiceList, ComesInPages) {
  EXPECT_THAT(names({.offset = 1, .limit = 2}), ElementsAre("ns/empty", "ns/local"));
  EXPECT_EQ(ask({.offset = 1, .limit = 2})["matching"].as<int>(), 4);
  EXPECT_THAT(names({.offset = 9}), IsEmpty());
}

TEST(ServiceQueryOfAUrl, IsDecodedAndBounded) {
  const auto query = service_query_of_url("filter=shop%2Fa+b&state=down&offset=20&limit=999999");
  EXPECT_EQ(query.filter, "shop/a b");
  EXPECT_EQ(query.fare, Fare::down);
  EXPECT_EQ(query.offset, 20U);
  EXPECT_EQ(query.limit, ServiceQuery::kMostRows);
}

TEST(ServiceQueryOfAUrl, LeavesOutWhatItDoesNotUnderstand) {
  const auto query =
      service_query_of_url("&&=&x&filter=%zz%4&state=odd&offset=-1&limit=1e3&limit=");
  EXPECT_EQ(query.filter, "%zz%4");
  EXPECT_FALSE(query.fare);
  EXPECT_EQ(query.offset, 0U);
  EXPECT_EQ(query.limit, 100U);
  EXPECT_EQ(service_query_of_url("").limit, 100U);
}

TEST(ServiceQueryOfARequest, TakesNumbersAndTexts) {
  const auto query =
      service_query_of_request(R"({"command":"status","filter":"a","limit":"5","offset":7})");
  EXPECT_EQ(query.filter, "a");
  EXPECT_EQ(query.limit, 5U);
  EXPECT_EQ(query.offset, 7U);
  EXPECT_EQ(service_query_of_request("[]").limit, 100U);
}

}  // namespace
}  // namespace proxy::status
