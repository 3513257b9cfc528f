// Every endpoint has its fair share, and a change of one leaves the others' chains alone.
#include "modes/iptables/endpoint_groups.hpp"

#include "proxy/state/endpoint_list.hpp"

#include <gtest/gtest.h>

#include <map>

namespace modes::iptables {
namespace {

using netfilter::ChainName;
using netfilter::Rule;
using proxy::IpAddress;
using proxy::Port;

const std::string kPrefix = "KUBE-SVCE-ABCDEFGHIJKLMNOP";

std::vector<Endpoint> endpoints(std::uint32_t count) {
  std::vector<Endpoint> out;
  for (std::uint32_t i = 0; i < count; ++i)
    out.push_back({IpAddress::v4(0x0ab40001U + i * 3), Port{8080}});
  return out;
}

struct Choice {
  std::vector<Rule> rules;
  std::map<ChainName, std::vector<Rule>> chains;
};

Choice choice_among(const std::vector<Endpoint>& endpoints) {
  Choice out;
  std::vector<Chain> chains;
  choose_endpoint(
      endpoints, kPrefix, "ns/web",
      [](const Endpoint& endpoint) {
        Rule rule;
        rule.target = netfilter::Dnat{endpoint.address, endpoint.port};
        return rule;
      },
      out.rules, chains);
  for (auto& chain : chains) {
    EXPECT_TRUE(out.chains.emplace(chain.name, std::move(chain.rules)).second);
  }
  return out;
}

// The chance of each endpoint: that of coming to `rules` times that of each rule on the way.
void add_chances(const Choice& choice, const std::vector<Rule>& rules, double arriving,
                 std::map<IpAddress, double>& into) {
  for (const auto& rule : rules) {
    const double taken = rule.probability == 0 ? 1 : rule.probability / double{0x80000000};
    if (const auto* dnat = std::get_if<netfilter::Dnat>(&rule.target)) {
      into[dnat->address] += arriving * taken;
    } else {
      add_chances(choice, choice.chains.at(std::get<netfilter::Jump>(rule.target).to),
                  arriving * taken, into);
    }
    arriving *= 1 - taken;
  }
  EXPECT_EQ(arriving, 0) << "a packet may fall through";
}

TEST(EndpointGroups, GiveEveryEndpointTheSameChance) {
  for (std::uint32_t n = 1; n <= 2000; n += n < 300 ? 1 : 37) {
    const auto choice = choice_among(endpoints(n));
    std::map<IpAddress, double> chances;
    add_chances(choice, choice.rules, 1, chances);
    ASSERT_EQ(chances.size(), n);
    for (const auto& [address, chance] : chances) {
      // A rule's chance is a multiple of 2⁻³¹ (and of 10⁻¹⁰): what that leaves open adds up.
      ASSERT_NEAR(chance * n, 1, 5e-6) << n << " endpoints, " << address.text();
    }
  }
}

TEST(EndpointGroups, StandInARowUpToSixteen) {
  EXPECT_TRUE(choice_among(endpoints(16)).chains.empty());
  EXPECT_EQ(choice_among(endpoints(16)).rules.size(), 16U);
  EXPECT_LE(choice_among(endpoints(17)).rules.size(), 16U);
}

std::size_t difference(const Choice& a, const Choice& b) {
  std::size_t changed = a.rules == b.rules ? 0 : 1;
  for (const auto& [name, rules] : a.chains) {
    const auto it = b.chains.find(name);
    if (it == b.chains.end() || it->second != rules) ++changed;
  }
  for (const auto& [name, rules] : b.chains) {
    if (!a.chains.contains(name)) ++changed;
  }
  return changed;
}

TEST(EndpointGroups, RewriteOnlyTheWayToAnEndpointThatChanges) {
  const auto many = endpoints(1000);
  const auto before = choice_among(many);
  for (std::size_t i = 0; i < many.size(); i += 7) {
    auto fewer = many;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    const auto after = choice_among(fewer);
    EXPECT_LE(difference(before, after), 3U);
  }
}

TEST(EndpointGroups, AreCrossedInTensOfRulesHoweverManyEndpointsThereAre) {
  const auto choice = choice_among(endpoints(4000));
  std::size_t longest = 0;
  for (const auto& [name, rules] : choice.chains) longest = std::max(longest, rules.size());
  EXPECT_LE(choice.rules.size(), 16U);
  EXPECT_LE(longest, 48U);
}

}  // namespace
}  // namespace modes::iptables
