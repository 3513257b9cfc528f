// What the planner does with what others own in the kernel, and with what the kernel refuses.
#include "modes/iptables/planner.hpp"

#include "tests/modes/iptables/planner_samples.hpp"

#include <gtest/gtest.h>

namespace modes::iptables {
namespace {

using namespace testing;
using proxy::sources::Removal;

// ── what others own ──────────────────────────────────────────────────────────────────────────────

Rule foreign(netfilter::Target target = netfilter::Accept{}) {
  Rule rule;
  rule.source = netfilter::AddressMatch{prefix("203.0.113.0/24")};
  rule.target = std::move(target);
  return rule;
}

ServiceTable& web_table(ServiceTable& table) {
  table.change({Record{service("web")}, Record{endpoints_of("web", 2, Family::v4)}});
  (void)table.take_changes();
  return table;
}

TEST(Planner, KeepsTheRulesOfOthersInBuiltInAndSharedChains) {
  FakeRuleset kernel;
  const ChainKey forward{Family::v4, Table::filter, "FORWARD"};
  const ChainKey mark{Family::v4, Table::nat, "KUBE-MARK-MASQ"};
  const ChainKey theirs{Family::v4, Table::filter, "THEIRS"};
  kernel.add_foreign_chain(forward, true);
  kernel.add_foreign_chain(mark);
  kernel.add_foreign_chain(theirs);
  kernel.add_foreign_rule(forward, foreign(netfilter::Jump{"THEIRS"}));
  kernel.add_foreign_rule(mark, foreign());
  kernel.add_foreign_rule(theirs, foreign());
  ServiceTable table{{kHere}};
  Driver driver{kernel, some_settings()};
  driver.reconcile(web_table(table));
  EXPECT_EQ(kernel.find(forward)->rules.back().rule, foreign(netfilter::Jump{"THEIRS"}));
  EXPECT_EQ(kernel.find(mark)->rules.size(), 2U);
  EXPECT_EQ(kernel.find(theirs)->rules.size(), 1U);
  // Others may go before ours; that is no reason to write again.
  kernel.add_foreign_rule(forward, foreign(), true);
  EXPECT_EQ(driver.reconcile(table), 0U);
}

TEST(Planner, TakesOverWhatKubeProxyLeft) {
  FakeRuleset kernel;
  const ChainKey prerouting{Family::v4, Table::nat, "PREROUTING"};
  const ChainKey services{Family::v4, Table::nat, "KUBE-SERVICES"};
  const ChainKey stale{Family::v4, Table::nat, "KUBE-SVC-OLDOLDOLDOLDOLD2"};
  const ChainKey endpoint{Family::v4, Table::nat, "KUBE-SEP-OLDOLDOLDOLDOLD2"};
  kernel.add_foreign_chain(prerouting, true);
  for (const auto& key : {services, stale, endpoint}) kernel.add_foreign_chain(key);
  kernel.add_foreign_rule(prerouting, foreign(netfilter::Jump{"KUBE-SERVICES"}));
  kernel.add_foreign_rule(services, foreign(netfilter::Jump{stale.name}));
  kernel.add_foreign_rule(stale, foreign(netfilter::Jump{endpoint.name}));
  ServiceTable table{{kHere}};
  Driver driver{kernel, some_settings()};
  driver.reconcile(web_table(table));
  expect_same(kernel.rules(), written_anew(table, some_settings()));
  EXPECT_EQ(driver.reconcile(table), 0U);
}

TEST(Planner, EmptiesAStaleChainThatOthersJumpToAndLeavesItStanding) {
  FakeRuleset kernel;
  const ChainKey theirs{Family::v4, Table::nat, "THEIRS"};
  const ChainKey held{Family::v4, Table::nat, "KUBE-SVC-OLDOLDOLDOLDOLD2"};
  kernel.add_foreign_chain(theirs);
  kernel.add_foreign_chain(held);
  kernel.add_foreign_rule(theirs, foreign(netfilter::Jump{held.name}));
  kernel.add_foreign_rule(held, foreign());
  ServiceTable table{{kHere}};
  Driver driver{kernel, some_settings()};
  driver.reconcile(web_table(table));
  ASSERT_NE(kernel.find(held), nullptr);
  EXPECT_TRUE(kernel.find(held)->rules.empty());
  EXPECT_EQ(kernel.find(theirs)->rules.size(), 1U);
  EXPECT_EQ(driver.reconcile(table), 0U);
}

TEST(Planner, LeavesAJumpOfOthersFromABuiltInChainToAServiceAlone) {
  FakeRuleset kernel;
  ServiceTable table{{kHere}};
  Driver driver{kernel, some_settings()};
  driver.reconcile(web_table(table));
  const ChainKey prerouting{Family::v4, Table::nat, "PREROUTING"};
  const ServiceChainNames names{port_name("web")};
  kernel.add_foreign_rule(prerouting, foreign(netfilter::Jump{names.cluster}));
  driver.reconcile(table);
  EXPECT_EQ(kernel.find(prerouting)->rules.size(), 2U);
  table.change({Removal{{records::Kind::service, {"default", "web"}}}});
  driver.sync(table, table.take_changes());
  ASSERT_NE(kernel.find({Family::v4, Table::nat, names.cluster}), nullptr);
  EXPECT_EQ(driver.reconcile(table), 0U);
}

TEST(Planner, LearnsFromTheKernelThatOthersHoldAChain) {
  FakeRuleset kernel;
  ServiceTable table{{kHere}};
  Driver driver{kernel, some_settings()};
  driver.reconcile(web_table(table));
  const ChainKey theirs{Family::v4, Table::nat, "THEIRS"};
  const ServiceChainNames names{port_name("web")};
  kernel.add_foreign_chain(theirs);
  kernel.add_foreign_rule(theirs, foreign(netfilter::Jump{names.cluster}));
  table.change({Removal{{records::Kind::service, {"default", "web"}}}});
  driver.sync(table, table.take_changes());
  ASSERT_NE(kernel.find({Family::v4, Table::nat, names.cluster}), nullptr);
  EXPECT_TRUE(driver.planner.set_aside().empty());
  EXPECT_TRUE(arrivals(kernel, ip("10.96.0.1"), 80).begin()->destination == ip("10.96.0.1"));
}

// ── the size of the cluster ──────────────────────────────────────────────────────────────────────

// How many rules lead to an endpoint, with and without a comment.
std::pair<std::size_t, std::size_t> endpoint_rules(const FakeRuleset& kernel) {
  std::size_t with = 0;
  std::size_t without = 0;
  for (const auto& [key, rules] : kernel.rules()) {
    for (const auto& rule : rules) {
      const bool leads = std::holds_alternative<netfilter::Dnat>(rule.target) ||
                         fakes::jump_target(rule).view().starts_with("KUBE-SEP-");
      if (leads) ++(rule.comment.empty() ? without : with);
    }
  }
  return {with, without};
}

TEST(Planner, RulesOfEndpointsCarryCommentsUpToAThousandEndpointsInAll) {
  for (const unsigned more : {0U, 1U}) {
    ServiceTable table{{kHere}};
    table.change({Record{service("a")}, Record{endpoints_of("a", 600, Family::v4)},
                  Record{service("b", "10.96.0.2")},
                  Record{endpoints_of("b", 400 + more, Family::v4, 600)}});
    FakeRuleset kernel;
    Driver driver{kernel, some_settings()};
    driver.reconcile(table);
    const auto [with, without] = endpoint_rules(kernel);
    EXPECT_EQ(with, more == 0 ? 2000U : 0U);
    EXPECT_EQ(without, more == 0 ? 0U : 1001U);
  }
}

// ── what the kernel does not take ────────────────────────────────────────────────────────────────

TEST(Planner, SetsAsideTheServiceWhoseChainIsRefusedAndPutsAllOthersInForce) {
  for (const std::size_t max_bytes : {std::size_t{1} << 30, std::size_t{3000}}) {
    FakeRuleset kernel;
    ServiceTable table{{kHere}};
    for (unsigned i = 1; i <= 90; ++i) {
      const auto name = "s" + std::to_string(i);
      table.change({Record{service(name, "10.96.0." + std::to_string(i))},
                    Record{endpoints_of(name, 3, Family::v4, i)}});
    }
    const ServiceChainNames bad{port_name("s42")};
    kernel.refuse = [&](const netfilter::Operation& operation, std::uint32_t) {
      const auto* rewrite = std::get_if<netfilter::RewriteChain>(&operation);
      const bool is_bad = rewrite != nullptr && rewrite->chain.name == bad.cluster;
      return is_bad ? std::optional{EINVAL} : std::nullopt;
    };
    Driver driver{kernel, some_settings()};
    driver.max_bytes = max_bytes;
    driver.reconcile(table);
    ASSERT_EQ(driver.planner.set_aside().size(), 1U);
    EXPECT_EQ(driver.planner.set_aside()[0].name, port_name("s42"));
    EXPECT_EQ(kernel.find({Family::v4, Table::nat, bad.cluster}), nullptr);
    for (unsigned i = 1; i <= 90; ++i) {
      const auto reached = arrivals(kernel, ip("10.96.0." + std::to_string(i)), 80);
      EXPECT_EQ(reached.begin()->translated, i != 42) << i;
      EXPECT_EQ(reached.size(), i == 42 ? 1U : 3U);
    }
    // The kernel has changed its mind, and so has the service.
    kernel.refuse = {};
    driver.reconcile(table);
    EXPECT_TRUE(driver.planner.set_aside().empty());
    expect_same(kernel.rules(), written_anew(table, some_settings()));
  }
}

TEST(Planner, FindsTheServiceWhoseDispatchRuleIsRefused) {
  for (const std::size_t max_bytes : {std::size_t{1} << 30, std::size_t{3000}}) {
    FakeRuleset kernel;
    ServiceTable table{{kHere}};
    for (unsigned i = 1; i <= 90; ++i) {
      const auto name = "s" + std::to_string(i);
      table.change({Record{service(name, "10.96.0." + std::to_string(i))},
                    Record{endpoints_of(name, 3, Family::v4, i)}});
    }
    kernel.refuse = [](const netfilter::Operation& operation, std::uint32_t rule) {
      const auto* rewrite = std::get_if<netfilter::RewriteChain>(&operation);
      const bool is_bad =
          rewrite != nullptr && rule < rewrite->rules.size() &&
          rewrite->rules[rule].comment == "default/s77:http cluster IP" &&
          std::holds_alternative<netfilter::Jump>(rewrite->rules[rule].target) &&
          fakes::jump_target(rewrite->rules[rule]) != netfilter::ChainName{"KUBE-MARK-MASQ"};
      return is_bad ? std::optional{EINVAL} : std::nullopt;
    };
    Driver driver{kernel, some_settings()};
    driver.max_bytes = max_bytes;
    driver.reconcile(table);
    ASSERT_EQ(driver.planner.set_aside().size(), 1U);
    EXPECT_EQ(driver.planner.set_aside()[0].name, port_name("s77"));
    EXPECT_FALSE(arrivals(kernel, ip("10.96.0.77"), 80).begin()->translated);
    EXPECT_TRUE(arrivals(kernel, ip("10.96.0.78"), 80).begin()->translated);
    EXPECT_EQ(kernel.find({Family::v4, Table::nat, ServiceChainNames{port_name("s77")}.cluster}),
              nullptr);
  }
}

TEST(Planner, DoesWithoutTheHairpinMatchWhereTheKernelHasNone) {
  FakeRuleset kernel;
  kernel.refuse = [](const netfilter::Operation& operation, std::uint32_t rule) {
    const auto* rewrite = std::get_if<netfilter::RewriteChain>(&operation);
    const bool is_bpf = rewrite != nullptr && rule < rewrite->rules.size() &&
                        rewrite->rules[rule].source_is_destination;
    return is_bpf ? std::optional{ENOENT} : std::nullopt;
  };
  ServiceTable table{{kHere}};
  table.change({Record{service("big")}, Record{endpoints_of("big", 1100, Family::v4)}});
  (void)table.take_changes();
  for (const std::size_t max_bytes : {std::size_t{1} << 30, std::size_t{100'000}}) {
    Driver driver{kernel, some_settings()};
    driver.max_bytes = max_bytes;
    driver.reconcile(table);
    EXPECT_TRUE(driver.planner.set_aside().empty());
    for (const auto& arrival : arrivals(kernel, ip("10.96.0.1"), 80, "10.1.0.1")) {
      ASSERT_EQ(arrival.masqueraded, arrival.destination == ip("10.1.0.1"));
    }
  }
}

TEST(Planner, ReportsWhatIsRefusedAndBelongsToNoService) {
  FakeRuleset kernel;
  ServiceTable table{{kHere}};
  Planner planner{some_settings(), {Family::v4, Family::v6}};
  planner.observe(kernel.observe(&Planner::itemised), {});
  planner.begin_all(web_table(table), {});
  const auto transaction = planner.next(table, 1U << 30);
  EXPECT_FALSE(planner.refused(table, transaction, {{0, 0, proxy::system_error(EPERM, "")}}));
}

// ── where connections are counted ───────────────────────────────────────────────────────────────

TEST(Planner, SaysWhichChainsCountAndSinceWhen) {
  FakeRuleset kernel;
  ServiceTable table{{kHere}};
  Driver driver{kernel, some_settings()};
  EXPECT_FALSE(driver.planner.counting_chains_of(port_name("web"))) << "nothing is planned yet";
  driver.now = std::chrono::sys_seconds{std::chrono::seconds{1000}};
  driver.reconcile(web_table(table));
  const auto first = driver.planner.counting_chains_of(port_name("web"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->chains.size(), 2U);
  for (const auto& chain : first->chains) EXPECT_TRUE(is_endpoint_chain(chain.view()));
  EXPECT_EQ(first->written, driver.now);

  // Another service does not concern it; one more endpoint does.
  driver.now += std::chrono::seconds{50};
  table.change(
      {Record{service("other", "10.96.0.2")}, Record{endpoints_of("other", 2, Family::v4)}});
  driver.sync(table, table.take_changes());
  EXPECT_EQ(driver.planner.counting_chains_of(port_name("web"))->written, first->written);
  table.change({Record{endpoints_of("web", 3, Family::v4)}});
  driver.sync(table, table.take_changes());
  EXPECT_EQ(driver.planner.counting_chains_of(port_name("web"))->chains.size(), 3U);
  EXPECT_EQ(driver.planner.counting_chains_of(port_name("web"))->written, driver.now);
}

TEST(Planner, KnowsSinceWhenChainsCountAlsoAfterItHasLookedAtThem) {
  FakeRuleset kernel;
  ServiceTable table{{kHere}};
  Driver driver{kernel, some_settings()};
  driver.now = std::chrono::sys_seconds{std::chrono::seconds{1000}};
  driver.reconcile(web_table(table));
  EXPECT_EQ(driver.reconcile(table), 0U);
  EXPECT_EQ(driver.planner.counting_chains_of(port_name("web"))->written, driver.now);
  // A process that finds them there does not know how old they are.
  Driver later{kernel, some_settings()};
  later.now = driver.now + std::chrono::seconds{9};
  EXPECT_EQ(later.reconcile(table), 0U);
  ASSERT_TRUE(later.planner.counting_chains_of(port_name("web")));
  EXPECT_FALSE(later.planner.counting_chains_of(port_name("web"))->written);
}

TEST(Planner, InALargeClusterTheChainsThatChooseAreThoseThatCount) {
  FakeRuleset kernel;
  ServiceTable table{{kHere}};
  table.change({Record{service("web")}, Record{endpoints_of("web", 1100, Family::v4)}});
  Driver driver{kernel, some_settings()};
  driver.reconcile(table);
  std::size_t translating = 0;
  const auto counting = driver.planner.counting_chains_of(port_name("web"));
  for (const auto& name : counting->chains) {
    for (const auto& rule : kernel.find({Family::v4, Table::nat, name})->rules) {
      translating += std::holds_alternative<netfilter::Dnat>(rule.rule.target) ? 1 : 0;
    }
  }
  EXPECT_EQ(translating, 1100U);
}

}  // namespace
}  // namespace modes::iptables
