#include "modes/ipvs/filter_chains.hpp"

#include "modes/iptables/cleanup.hpp"
#include "modes/ipvs/predecessors.hpp"

#include <algorithm>

namespace modes::ipvs {
namespace {

using netfilter::ChainKey;
using netfilter::ObservedChain;
using netfilter::ObservedRule;
using netfilter::Rule;
using netfilter::Table;
using netfilter::Transaction;

constexpr const char* kHealthChain = "KUBE-NODEPORTS";
constexpr const char* kForwardChain = "KUBE-FORWARD";

ChainKey in_filter(Family family, const char* name) {
  return {family, Table::filter, name};
}

std::vector<Rule> health_rules(Family family, const HealthPorts& ports) {
  std::vector<Rule> rules;
  for (const auto& [of, port] : ports) {
    if (of != family) continue;
    Rule rule;
    rule.protocol = Protocol::tcp;
    rule.destination_port = netfilter::PortRange{port, port};
    rule.target = netfilter::Accept{};
    rule.comment = "kubernetes health check node port";
    rules.push_back(std::move(rule));
  }
  return rules;
}

std::vector<Rule> forward_rules(const Settings& settings) {
  Rule marked;
  marked.mark = netfilter::MarkMatch{settings.masquerade_mark(), settings.masquerade_mark(), false};
  marked.target = netfilter::Accept{};
  marked.comment = "kubernetes forwarding rules";
  Rule replies;
  replies.state = netfilter::ConnectionState{.established = true, .related = true};
  replies.target = netfilter::Accept{};
  replies.comment = "kubernetes forwarding conntrack rule";
  return {marked, replies};
}

Rule jump_to(const char* chain, const char* comment) {
  Rule rule;
  rule.target = netfilter::Jump{chain};
  rule.comment = comment;
  return rule;
}

class Plan {
 public:
  explicit Plan(const netfilter::Observation& seen) : rest_{seen} {}

  void chain(const ChainKey& key, std::vector<Rule> rules) {
    const auto it = rest_.chains.find(key);
    if (it == rest_.chains.end()) {
      out_.push_back(netfilter::AddChain{key, 0});
    } else if (is_as(it->second, key.family, rules)) {
      rest_.chains.erase(it);
      return;
    } else {
      rest_.chains.erase(it);
      rewritten_.push_back(netfilter::RewriteChain{key, false, std::move(rules), {0}});
      return;
    }
    rewritten_.push_back(netfilter::RewriteChain{key, true, std::move(rules), {0}});
  }

  // Our one rule at the head of a built-in chain.
  void jump(const ChainKey& key, const Rule& rule) {
    const auto it = rest_.chains.find(key);
    if (it == rest_.chains.end()) {
      out_.insert(out_.begin(), netfilter::AddBaseChain{key});
      jumps_.push_back(netfilter::InsertRule{key, rule});
      return;
    }
    // It stays, whoever made it: there is a rule of ours in it.
    it->second.marked = false;
    auto& rules = it->second.rules;
    if (!rules.empty() && rules.front().ours == netfilter::digest(key.family, rule)) {
      rules.erase(rules.begin());
      --it->second.our_rules;
    } else {
      jumps_.push_back(netfilter::InsertRule{key, rule});
    }
  }

  void table(Family family) {
    if (!rest_.tables.contains({family, Table::filter})) {
      out_.insert(out_.begin(), netfilter::AddTable{family, Table::filter});
    }
  }

  Transaction build() && {
    // New chains are reached by nobody until the jumps stand; what others left goes last.
    std::ranges::move(rewritten_, std::back_inserter(out_));
    std::ranges::move(jumps_, std::back_inserter(out_));
    std::ranges::move(evict_proxies(rest_), std::back_inserter(out_));
    auto rest = iptables::plan_cleanup(rest_);
    std::ranges::move(rest.transaction, std::back_inserter(out_));
    return std::move(out_);
  }

 private:
  static bool is_as(const ObservedChain& chain, Family family, const std::vector<Rule>& rules) {
    if (chain.foreign_rules != 0 || chain.our_rules != rules.size()) return false;
    netfilter::Digest all = 0;
    for (const auto& rule : rules) {
      all = netfilter::chain_digest(all, netfilter::digest(family, rule));
    }
    return all == chain.digest;
  }

  netfilter::Observation rest_;  // without what is as it should be
  Transaction out_, rewritten_, jumps_;
};

}  // namespace

HealthPorts health_ports(const Holdings& holdings) {
  HealthPorts out;
  holdings.node_ports.for_each([&](const NodePortKey& key, Fate fate) {
    if (fate == Fate::health) out.insert({key.family, key.port});
  });
  return out;
}

Transaction plan_filter_chains(const netfilter::Observation& seen, const Settings& settings,
                               const HealthPorts& health) {
  Plan plan{seen};
  for (const auto family : proxy::kFamilies) {
    plan.jump(in_filter(family, "INPUT"),
              jump_to(kHealthChain, "kubernetes health check service ports"));
    plan.jump(in_filter(family, "FORWARD"), jump_to(kForwardChain, "kubernetes forwarding rules"));
    plan.table(family);
    plan.chain(in_filter(family, kHealthChain), health_rules(family, health));
    plan.chain(in_filter(family, kForwardChain), forward_rules(settings));
  }
  return std::move(plan).build();
}

bool is_filter_chain(const ChainKey& key) {
  return key.table == Table::filter && (key.name == netfilter::ChainName{kHealthChain} ||
                                        key.name == netfilter::ChainName{kForwardChain});
}

}  // namespace modes::ipvs
