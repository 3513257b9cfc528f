#include "modes/iptables/endpoint_groups.hpp"

#include "modes/netfilter/rule_codec.hpp"

#include <xxhash.h>

#include <array>
#include <cstring>

namespace modes::iptables {
namespace {

using netfilter::ChainName;
using netfilter::Jump;
using netfilter::probability_of;
using netfilter::Rule;

constexpr std::size_t kRow = 16;      // endpoints that stand in a row; groups of one level
constexpr std::size_t kMaxDepth = 2;  // levels of groups, within the kernel's limit of nested jumps

// Stable over restarts and machines; only evenness matters.
unsigned hash_digit(const Endpoint& endpoint, std::size_t level) {
  std::array<std::byte, 18> bytes{};
  std::memcpy(bytes.data(), endpoint.address.bytes().data(), endpoint.address.bytes().size());
  std::memcpy(bytes.data() + 16, &endpoint.port.value, 2);
  return static_cast<unsigned>(XXH3_64bits(bytes.data(), bytes.size()) >> (4 * level) & 15);
}

struct Chooser {
  const std::string& prefix;
  const std::string& comment;
  const std::function<Rule(const Endpoint&)>& choose;
  std::vector<Chain>& chains;

  void row(std::span<const Endpoint> endpoints, std::vector<Rule>& rules) const {
    auto remaining = static_cast<std::uint32_t>(endpoints.size());
    for (const auto& endpoint : endpoints) {
      auto rule = choose(endpoint);
      rule.probability = probability_of(1, remaining--);
      rules.push_back(std::move(rule));
    }
  }

  void fill(std::span<const Endpoint> endpoints, const std::string& path,
            std::vector<Rule>& rules) const {
    if (endpoints.size() <= kRow || path.size() == kMaxDepth) return row(endpoints, rules);
    std::array<std::vector<Endpoint>, kRow> groups;
    for (const auto& endpoint : endpoints)
      groups[hash_digit(endpoint, path.size())].push_back(endpoint);
    auto remaining = static_cast<std::uint32_t>(endpoints.size());
    for (std::size_t digit = 0; digit < groups.size(); ++digit) {
      if (groups[digit].empty()) continue;
      const auto size = static_cast<std::uint32_t>(groups[digit].size());
      const auto below = path + "0123456789ABCDEF"[digit];
      const ChainName name{prefix + below};
      Rule rule;
      rule.comment = comment;
      rule.probability = probability_of(size, remaining);
      rule.target = Jump{name};
      rules.push_back(std::move(rule));
      remaining -= size;
      std::vector<Rule> group_rules;
      fill(groups[digit], below, group_rules);
      chains.push_back({name, std::move(group_rules)});
    }
  }
};

}  // namespace

void choose_endpoint(std::span<const Endpoint> endpoints, const std::string& group_prefix,
                     const std::string& comment, const std::function<Rule(const Endpoint&)>& choose,
                     std::vector<Rule>& rules, std::vector<Chain>& chains) {
  Chooser{group_prefix, comment, choose, chains}.fill(endpoints, "", rules);
}

}  // namespace modes::iptables
