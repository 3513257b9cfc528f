// The rules that are there without any service, by what they are set to.
#include "modes/iptables/fixed_chains.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace modes::iptables {
namespace {

using netfilter::Table;

const std::vector<Rule>& chain(const FixedRules& rules, Table table, const char* name) {
  static const std::vector<Rule> none;
  for (const auto* all : {&rules.chains, &rules.shared}) {
    for (const auto& [key, content] : *all) {
      if (key.table == table && key.name == ChainName{name}) return content;
    }
  }
  return none;
}

TEST(FixedChains, UseTheMasqueradeBitThatWasAskedFor) {
  Settings settings;
  settings.masquerade_bit = 3;
  for (const auto family : proxy::kFamilies) {
    const auto rules = fixed_rules(family, settings, {}, {});
    const auto& mark = chain(rules, Table::nat, "KUBE-MARK-MASQ");
    ASSERT_EQ(mark.size(), 1U);
    EXPECT_EQ(mark[0].target, netfilter::Target{(netfilter::Mark{8, 8})});
    const auto& postrouting = chain(rules, Table::nat, "KUBE-POSTROUTING");
    ASSERT_EQ(postrouting.size(), 3U);
    EXPECT_EQ(postrouting[0].mark, (netfilter::MarkMatch{8, 8, true}));
    EXPECT_EQ(postrouting[1].target, netfilter::Target{(netfilter::Mark{8, 0})});
    EXPECT_EQ(chain(rules, Table::filter, "KUBE-FORWARD")[1].mark,
              (netfilter::MarkMatch{8, 8, false}));
  }
}

TEST(FixedChains, DropInvalidPacketsUnlessConnectionTrackingIsLiberal) {
  const auto drops = [](bool liberal) {
    NodeFacts node;
    node.tcp_be_liberal = liberal;
    const auto rules = fixed_rules(Family::v4, {}, node, {});
    return std::ranges::any_of(chain(rules, Table::filter, "KUBE-FORWARD"),
                               [](const Rule& rule) { return rule.state && rule.state->invalid; });
  };
  EXPECT_TRUE(drops(false));
  EXPECT_FALSE(drops(true));
}

// Which addresses the rules to KUBE-NODEPORTS name; "all" for one that names none.
std::vector<std::string> node_port_addresses(Family family, const Settings& settings,
                                             const NodeFacts& node) {
  std::vector<std::string> out;
  for (const auto& [where, rules] : fixed_rules(family, settings, node, {}).tails) {
    if (where != Dispatch::nat_services) continue;
    for (const auto& rule : rules) {
      const auto& to = rule.destination;
      out.push_back(!to ? "all" : (to->inverted ? "! " : "") + to->prefix.text());
    }
  }
  return out;
}

TEST(FixedChains, NodePortsAreThereOnTheAddressesThatAreInTheRangesGiven) {
  using ::testing::ElementsAre;
  using ::testing::IsEmpty;
  NodeFacts node;
  for (const auto* address : {"192.168.0.2", "192.168.9.9", "127.0.0.1", "2001:db8::2", "::1"})
    node.addresses.push_back(*proxy::parse_ip(address));
  node.primary_ips = {*proxy::parse_ip("192.168.0.2"), *proxy::parse_ip("2001:db8::2")};

  Settings settings;
  EXPECT_THAT(node_port_addresses(Family::v4, settings, node), ElementsAre("all"));
  EXPECT_THAT(node_port_addresses(Family::v6, settings, node), ElementsAre("! ::1/128"));
  settings.localhost_node_ports = false;
  EXPECT_THAT(node_port_addresses(Family::v4, settings, node), ElementsAre("! 127.0.0.0/8"));

  settings = {};
  settings.node_port_addresses.ranges = {*proxy::parse_prefix("192.168.0.0/24"),
                                         *proxy::parse_prefix("127.0.0.0/8")};
  EXPECT_THAT(node_port_addresses(Family::v4, settings, node),
              ElementsAre("127.0.0.1/32", "192.168.0.2/32"));
  settings.localhost_node_ports = false;
  EXPECT_THAT(node_port_addresses(Family::v4, settings, node), ElementsAre("192.168.0.2/32"));

  settings.node_port_addresses.ranges = {*proxy::parse_prefix("10.0.0.0/8")};
  EXPECT_THAT(node_port_addresses(Family::v4, settings, node), IsEmpty());

  settings = {};
  settings.node_port_addresses.primary = true;
  EXPECT_THAT(node_port_addresses(Family::v4, settings, node), ElementsAre("192.168.0.2/32"));
  EXPECT_THAT(node_port_addresses(Family::v6, settings, node), ElementsAre("2001:db8::2/128"));

  node.primary_ips = {*proxy::parse_ip("2001:db8::2")};  // none of IPv4 is known: no limit
  EXPECT_THAT(node_port_addresses(Family::v4, settings, node), ElementsAre("! 127.0.0.0/8"));
}

}  // namespace
}  // namespace modes::iptables
