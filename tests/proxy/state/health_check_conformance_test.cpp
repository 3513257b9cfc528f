// The cases of tests/conformance/healthcheck.yaml, as far as they are about data: which Services
// have a health check on which port, and how many endpoints it reports.
#include "proxy/records/decode.hpp"
#include "proxy/state/service_table.hpp"
#include "tests/netns/scenario.hpp"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>

namespace proxy::state {
namespace {

void take(ServiceTable& table, const YAML::Node& apply, const YAML::Node& remove) {
  records::Decoder decoder;
  std::vector<sources::Change> changes;
  for (const auto& node : apply) {
    auto outcome = decoder.decode_object(netns::parse_object(node).json);
    auto* decoded = std::get_if<records::Decoded>(&outcome);
    ASSERT_NE(decoded, nullptr);
    changes.emplace_back(std::move(decoded->record));
  }
  for (const auto& node : remove) {
    const auto kind = node["kind"].as<std::string>() == "Service" ? records::Kind::service
                                                                  : records::Kind::endpoint_slice;
    changes.emplace_back(sources::Removal{
        {kind, {node["namespace"].as<std::string>(), node["name"].as<std::string>()}}});
  }
  table.change(changes);
}

// "http://192.168.0.2:32000/" → 32000; all cases are IPv4.
Port port_of(const std::string& url) {
  return Port{static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)))};
}

// A check of an address on which the server does not listen says nothing of the data.
bool is_about_data(const YAML::Node& check) {
  return check["body"].IsDefined();
}

void expect(const ServiceTable& table, const YAML::Node& checks) {
  for (const auto& check : checks) {
    const auto url = check["get"].as<std::string>();
    SCOPED_TRACE(url);
    if (!is_about_data(check)) continue;
    const auto service = check["body"]["service"];
    const auto at = table.health_checks().find(
        {service["namespace"].as<std::string>(), service["name"].as<std::string>()});
    ASSERT_NE(at, table.health_checks().end());
    EXPECT_EQ(at->second.port, port_of(url));
    EXPECT_EQ(at->second.of(Family::v4), check["body"]["localEndpoints"].as<std::size_t>());
    EXPECT_EQ(at->second.of(Family::v6), std::nullopt);
  }
}

TEST(HealthCheckConformance, EveryCaseReportsItsPortAndCount) {
  const auto file = YAML::LoadFile(VIADUCT_CONFORMANCE "/healthcheck.yaml");
  int checked = 0;
  for (const auto& item : file["serviceHealthCheck"]["cases"]) {
    SCOPED_TRACE(item["name"].as<std::string>());
    ServiceTable table{NodeIdentity{"node-a"}};
    take(table, item["objects"], {});
    expect(table, item["checks"]);
    expect(table, item["checksWhileUnhealthy"]);
    expect(table, item["checksAfterRecovery"]);
    ++checked;
    for (const auto& step : item["steps"]) {
      SCOPED_TRACE(step["name"].as<std::string>());
      take(table, step["apply"], step["delete"]);
      expect(table, step["checks"]);
      ++checked;
    }
  }
  EXPECT_GE(checked, 5);
}

TEST(HealthCheckConformance, ADeletedServiceHasNoHealthCheck) {
  const auto file = YAML::LoadFile(VIADUCT_CONFORMANCE "/healthcheck.yaml");
  const auto first = file["serviceHealthCheck"]["cases"][0];
  ServiceTable table{NodeIdentity{"node-a"}};
  take(table, first["objects"], {});
  ASSERT_EQ(table.health_checks().size(), 1U);
  table.replace({});
  EXPECT_TRUE(table.health_checks().empty());
}

}  // namespace
}  // namespace proxy::state
