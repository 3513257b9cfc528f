// The planner under random changes of a cluster: whatever came before, the rules are those that are
// written anew, and while a large load is under way packets meet what was or what is to be.
#include "modes/iptables/planner.hpp"

#include "tests/modes/iptables/planner_samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

namespace modes::iptables {
namespace {

using namespace testing;
using proxy::records::Service;
using proxy::sources::Change;
using proxy::sources::Removal;
using ::testing::AnyOf;

class RandomCluster {
 public:
  RandomCluster(unsigned seed, unsigned services, unsigned endpoints)
      : random_{seed}, services_{services}, endpoints_{endpoints} {}

  Change change() {
    const auto name = "s" + std::to_string(below(services_));
    switch (below(9)) {
      case 0:
        return Removal{{records::Kind::service, {"default", name}}};
      case 1:
      case 2:
      case 3:
      case 4:
        return Record{endpoints_of(name, below(8) == 0 ? below(endpoints_) : below(4),
                                   chance(2) ? Family::v4 : Family::v6, below(5))};
      default:
        return Record{random_service(name)};
    }
  }

  unsigned below(unsigned bound) {
    return std::uniform_int_distribution<unsigned>{0, bound - 1}(random_);
  }

 private:
  bool chance(unsigned one_in) { return below(one_in) == 0; }

  Service random_service(const std::string& name) {
    // Few addresses: VIPs move from one service to another.
    const auto number = std::to_string(1 + below(services_ * 2));
    auto out = service(name, "10.96.0." + number);
    if (chance(2)) out.cluster_ips.push_back(ip("fd00::" + number));
    out.type = static_cast<records::ServiceType>(below(3));
    if (chance(3)) out.external_ips = {ip("198.51.100." + std::to_string(below(5)))};
    if (chance(3))
      out.load_balancer_ingress = {{ip("203.0.113." + std::to_string(below(5))), true}};
    if (chance(3)) out.load_balancer_source_ranges = {prefix("192.0.2.0/24")};
    if (chance(2))
      out.ports[0].node_port = Port{static_cast<std::uint16_t>(30000 + below(services_))};
    if (chance(3)) {
      out.ports.push_back(out.ports[0]);
      out.ports[1].name = "second";
      out.ports[1].port = Port{81};
      out.ports[1].node_port.reset();
    }
    if (chance(4)) out.internal_policy = records::TrafficPolicy::local;
    if (chance(2)) out.external_policy = records::TrafficPolicy::local;
    if (chance(3)) out.health_check_node_port = Port{static_cast<std::uint16_t>(32000 + below(3))};
    if (chance(4)) out.client_ip_affinity = std::chrono::seconds{10800};
    return out;
  }

  std::mt19937 random_;
  unsigned services_;
  unsigned endpoints_;
};

struct Walk {
  unsigned services;
  unsigned endpoints;
  int steps;
};

class PlannerLaws : public ::testing::TestWithParam<Walk> {};

TEST_P(PlannerLaws, ChangesLeadToTheRulesetThatIsWrittenAnew) {
  const auto walk = GetParam();
  for (unsigned seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    RandomCluster cluster{seed, walk.services, walk.endpoints};
    ServiceTable table{{kHere}};
    FakeRuleset kernel;
    Driver driver{kernel, some_settings()};
    driver.reconcile(table);
    for (int step = 0; step < walk.steps; ++step) {
      std::vector<Change> changes;
      for (auto count = 1 + cluster.below(3); count > 0; --count)
        changes.push_back(cluster.change());
      table.change(changes);
      driver.sync(table, table.take_changes());
      if (step % 10 != 0) continue;
      expect_same(kernel.rules(), written_anew(table, some_settings()));
      // And whoever looks at it, now or after a restart, finds nothing to do.
      Driver restarted{kernel, some_settings()};
      ASSERT_EQ(restarted.reconcile(table), 0U);
      ASSERT_EQ(driver.reconcile(table), 0U);
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Clusters, PlannerLaws,
                         ::testing::Values(Walk{5, 40, 200}, Walk{100, 10, 200},
                                           Walk{8, 700, 60}));  // through the large layout

TEST_P(PlannerLaws, AReconcileMendsWhatOthersTookAway) {
  RandomCluster cluster{7, GetParam().services, GetParam().endpoints};
  ServiceTable table{{kHere}};
  FakeRuleset kernel;
  Driver driver{kernel, some_settings()};
  for (int i = 0; i < 60; ++i) table.change({cluster.change()});
  driver.reconcile(table);
  const auto wanted = kernel.rules();
  for (int i = 0; i < 30; ++i) {
    auto victim = kernel.chains().begin();
    std::advance(victim, cluster.below(static_cast<unsigned>(kernel.chains().size())));
    if (victim->second.rules.empty()) continue;
    kernel.remove_rule(victim->first,
                       cluster.below(static_cast<unsigned>(victim->second.rules.size())));
    driver.reconcile(table);
    expect_same(kernel.rules(), wanted);
    if (HasFailure()) return;
  }
}

// ── a large load ─────────────────────────────────────────────────────────────────────────────────

TEST(PlannerChunks, PacketsMeetWhatWasOrWhatIsToBeAndNothingElse) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    RandomCluster cluster{seed, 60, 5};
    ServiceTable table{{kHere}};
    FakeRuleset kernel;
    Driver driver{kernel, some_settings()};
    for (int i = 0; i < 300; ++i) table.change({cluster.change()});
    driver.reconcile(table);
    FakeRuleset before = kernel;
    for (int i = 0; i < 40; ++i) table.change({cluster.change()});
    FakeRuleset after = kernel;
    Driver{after, some_settings()}.reconcile(table);
    // By cluster IP: what a pod of this node meets, and what a client outside meets.
    using Met = std::array<std::set<Arrival>, 2>;
    const auto met = [](const FakeRuleset& ruleset, unsigned i) {
      const auto vip = ip("10.96.0." + std::to_string(i));
      return Met{arrivals(ruleset, vip, 80), arrivals(ruleset, vip, 80, "192.0.2.9")};
    };
    std::vector<std::pair<Met, Met>> allowed;
    for (unsigned i = 0; i <= 120; ++i) allowed.emplace_back(met(before, i), met(after, i));
    driver.max_bytes = 5000;
    driver.after_each = [&] {
      for (unsigned i = 1; i <= 120; ++i) {
        const auto now = met(kernel, i);
        EXPECT_THAT(now, AnyOf(allowed[i].first, allowed[i].second)) << "10.96.0." << i;
      }
    };
    EXPECT_GT(driver.reconcile(table), 2U);
    expect_same(kernel.rules(), after.rules());
    if (HasFailure()) return;
  }
}

// A client that is its own endpoint hears answers only when it is masqueraded.
TEST(PlannerChunks, HairpinsWorkWhileTheLayoutChanges) {
  ServiceTable table{{kHere}};
  table.change({Record{service("web")}, Record{endpoints_of("web", 4, Family::v4)}});
  FakeRuleset kernel;
  Driver driver{kernel, some_settings()};
  driver.reconcile(table);
  driver.max_bytes = 5000;
  driver.after_each = [&] {
    for (const auto& arrival : arrivals(kernel, ip("10.96.0.1"), 80, "10.1.0.1")) {
      EXPECT_EQ(arrival.masqueraded, arrival.destination == ip("10.1.0.1"));
    }
  };
  table.change(
      {Record{service("big", "10.96.0.2")}, Record{endpoints_of("big", 1100, Family::v4)}});
  EXPECT_GT(driver.sync(table, table.take_changes()), 1U);
  table.change({Record{endpoints_of("big", 10, Family::v4)}});
  EXPECT_GT(driver.sync(table, table.take_changes()), 0U);
}

}  // namespace
}  // namespace modes::iptables
