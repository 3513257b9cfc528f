// What holds of a ServiceTable whatever the records and their order: random clusters, small enough
// that names, addresses and ports collide all the time.
#include "proxy/state/service_table.hpp"
#include "tests/proxy/state/builders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace proxy::state {
namespace {

using namespace proxy::state::testing;
using records::Record;
using records::RecordKey;
using records::ServiceType;
using sources::Change;
using sources::Removal;

constexpr auto kHere = "node-a";

class RandomCluster {
 public:
  explicit RandomCluster(unsigned seed) : random_{seed} {}

  Change change() {
    switch (below(8)) {
      case 0:
        return Removal{{records::Kind::service, {"default", service_name()}}};
      case 1:
        return Removal{{records::Kind::endpoint_slice, {"default", slice_name()}}};
      case 2:
        return Record{node(kHere, pick({"zone-a", "zone-b"}))};
      case 3:
      case 4:
        return Record{random_slice()};
      default:
        return Record{random_service()};
    }
  }

  void shuffle(auto& values) { std::ranges::shuffle(values, random_); }

 private:
  unsigned below(unsigned bound) {
    return std::uniform_int_distribution<unsigned>{0, bound - 1}(random_);
  }
  bool chance(unsigned one_in) { return below(one_in) == 0; }
  std::string pick(std::initializer_list<const char*> among) {
    return among.begin()[below(static_cast<unsigned>(among.size()))];
  }
  std::string service_name() { return pick({"a", "b", "c", "d", "e"}); }
  std::string slice_name() { return pick({"s1", "s2", "s3", "s4", "s5", "s6"}); }
  IpAddress address(const char* v4, const char* v6) {
    const auto last = std::to_string(below(4) + 1);
    return chance(2) ? ip(v4 + last) : ip(v6 + last);
  }

  records::Service random_service() {
    records::Service service;
    service.name = {"default", service_name()};
    service.type = static_cast<ServiceType>(below(chance(10) ? 4 : 3));
    service.headless = chance(15);
    if (chance(15)) service.labels["service.kubernetes.io/service-proxy-name"] = "other";
    for (auto count = below(3); count > 0; --count) {
      service.cluster_ips.push_back(address("10.96.0.", "fd00::"));
    }
    for (auto count = below(3); count > 0; --count) {
      service.external_ips.push_back(address("10.96.0.", "fd00::"));
    }
    for (auto count = below(3); count > 0; --count) {
      service.load_balancer_ingress.push_back({address("10.96.0.", "fd00::"), !chance(3)});
    }
    for (auto count = below(3) + 1; count > 0; --count) {
      service.ports.push_back(
          {pick({"http", "dns", ""}), chance(2) ? Protocol::tcp : Protocol::udp,
           Port{static_cast<std::uint16_t>(80 + below(2))},
           chance(2) ? std::optional{Port{static_cast<std::uint16_t>(30000 + below(3))}}
                     : std::nullopt,
           Port{}});
    }
    if (chance(2)) service.internal_policy = records::TrafficPolicy::local;
    if (chance(2)) service.external_policy = records::TrafficPolicy::local;
    if (chance(2)) service.health_check_node_port = Port{32000};
    return service;
  }

  records::EndpointSlice random_slice() {
    records::EndpointSlice slice;
    slice.name = {"default", slice_name()};
    slice.service = chance(10) ? "" : service_name();
    slice.headless_label = chance(10);
    slice.family = chance(2) ? Family::v4 : Family::v6;
    for (auto count = below(3); count > 0; --count) {
      slice.ports.push_back({pick({"http", "dns", ""}), chance(2) ? Protocol::tcp : Protocol::udp,
                             chance(8) ? std::nullopt : std::optional{Port{8080}}});
    }
    for (auto count = below(5); count > 0; --count) {
      const Conditions conditions{chance(2), chance(2), chance(2)};
      Hints hints;
      if (!chance(3)) hints.zones = {pick({"zone-a", "zone-b"})};
      if (chance(2)) hints.nodes = {pick({kHere, "node-b"})};
      slice.endpoints.push_back(slice_endpoint(address("10.0.0.", "fd01::").text(),
                                               pick({kHere, "node-b", ""}), conditions, hints));
    }
    return slice;
  }

  std::mt19937 random_;
};

using Contents = std::vector<std::pair<ServicePortName, ServicePort>>;

Contents contents(const ServiceTable& table) {
  Contents all;
  table.for_each([&](const auto& name, const auto& port) { all.emplace_back(name, port); });
  return all;
}

void expect_equal(const ServiceTable& a, const ServiceTable& b) {
  EXPECT_EQ(contents(a), contents(b));
  EXPECT_EQ(a.health_checks(), b.health_checks());
  EXPECT_EQ(a.remarks(), b.remarks());
  EXPECT_EQ(a.size(), b.size());
  EXPECT_EQ(a.endpoint_count(), b.endpoint_count());
}

// Records as a source would hold them. A node that was seen once is never removed here: the table
// remembers it.
class Records {
 public:
  void take(const Change& change) {
    if (const auto* removal = std::get_if<Removal>(&change)) {
      records_.erase(removal->key);
    } else {
      const auto& record = std::get<Record>(change);
      records_.insert_or_assign(records::key_of(record), record);
    }
  }
  [[nodiscard]] std::vector<Record> all() const {
    std::vector<Record> all;
    all.reserve(records_.size());
    for (const auto& [key, record] : records_) all.push_back(record);
    return all;
  }

 private:
  std::map<RecordKey, Record> records_;
};

class ServiceTableLaws : public ::testing::TestWithParam<unsigned> {};

TEST_P(ServiceTableLaws, TheOrderAndGroupingOfRecordsDoNotMatter) {
  RandomCluster cluster{GetParam()};
  Records records;
  ServiceTable one_by_one{{kHere}};
  for (int step = 0; step < 200; ++step) {
    const auto change = cluster.change();
    records.take(change);
    one_by_one.change({change});
    if (step % 20 != 0) continue;

    ServiceTable at_once{{kHere}};
    at_once.replace(records.all());
    expect_equal(one_by_one, at_once);

    auto shuffled = records.all();
    cluster.shuffle(shuffled);
    ServiceTable in_other_order{{kHere}};
    for (const auto& record : shuffled) in_other_order.change({record});
    expect_equal(one_by_one, in_other_order);

    ServiceTable replaced{{kHere}};
    replaced.replace({service("a"), slice("s1", "a", {slice_endpoint("10.0.0.1")})});
    replaced.replace(shuffled);
    expect_equal(one_by_one, replaced);
    if (HasFailure()) break;
  }
}

TEST_P(ServiceTableLaws, ACopyThatFollowsTheNamedChangesIsNeverBehind) {
  RandomCluster cluster{GetParam()};
  ServiceTable table{{kHere}};
  std::map<ServicePortName, ServicePort> copy;
  std::map<records::ObjectName, HealthCheck> health_copy;
  for (int step = 0; step < 200; ++step) {
    table.change({cluster.change(), cluster.change()});
    for (const auto& name : table.take_changes()) {
      copy.erase(name);
      if (const auto* port = table.find(name)) copy.emplace(name, *port);
    }
    for (const auto& name : table.take_health_check_changes()) {
      health_copy.erase(name);
      const auto at = table.health_checks().find(name);
      if (at != table.health_checks().end()) health_copy.insert(*at);
    }
    ASSERT_EQ(contents(table), Contents(copy.begin(), copy.end()));
    ASSERT_EQ(table.health_checks(), health_copy);
  }
}

TEST_P(ServiceTableLaws, NoVipAndNoNodePortHasTwoOwners) {
  RandomCluster cluster{GetParam()};
  ServiceTable table{{kHere}};
  for (int step = 0; step < 200; ++step) {
    table.change({cluster.change()});
    std::set<std::tuple<IpAddress, Port, Protocol>> vips;
    table.for_each([&](const ServicePortName& name, const ServicePort& port) {
      const auto claim = [&](const IpAddress& address, Port number) {
        EXPECT_TRUE(vips.emplace(address, number, name.protocol).second) << name;
      };
      claim(port.cluster_ip, port.port);
      for (const auto& address : port.external_ips) claim(address, port.port);
      for (const auto& address : port.load_balancer_ips) claim(address, port.port);
      if (port.node_port) claim(IpAddress::any(name.family), *port.node_port);
    });
  }
}

TEST_P(ServiceTableLaws, WithoutRecordsNothingIsLeft) {
  RandomCluster cluster{GetParam()};
  ServiceTable table{{kHere}};
  Records records;
  for (int step = 0; step < 100; ++step) {
    const auto change = cluster.change();
    records.take(change);
    table.change({change});
  }
  auto keys = records.all();
  cluster.shuffle(keys);
  for (const auto& record : keys) table.change({Removal{records::key_of(record)}});
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.endpoint_count(), 0U);
  EXPECT_TRUE(contents(table).empty());
  EXPECT_TRUE(table.health_checks().empty());
  EXPECT_TRUE(table.remarks().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ServiceTableLaws, ::testing::Range(1U, 21U));

}  // namespace
}  // namespace proxy::state
