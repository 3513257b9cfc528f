#include "tests/modes/iptables/packet_trace.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <stdexcept>

namespace modes::iptables::testing {
namespace {

namespace nf = netfilter;
using nf::ChainKey;
using nf::Rule;
using nf::Table;

// A packet on its way.
struct State {
  Packet packet;
  std::uint32_t mark = 0;
  bool translated = false;
  bool masqueraded = false;
  bool accepted = false;
  friend auto operator<=>(const State& a, const State& b) {
    return std::tie(a.packet.destination, a.packet.port, a.mark, a.translated, a.masqueraded,
                    a.accepted) <=> std::tie(b.packet.destination, b.packet.port, b.mark,
                                             b.translated, b.masqueraded, b.accepted);
  }
};

enum class End : std::uint8_t { fell_through, accepted, dropped, rejected };
using Ends = std::set<std::pair<End, State>>;

class Walk {
 public:
  Walk(const fakes::FakeRuleset& ruleset, const std::vector<proxy::IpAddress>& node_addresses)
      : ruleset_{ruleset}, node_addresses_{node_addresses} {}

  [[nodiscard]] bool is_local(const proxy::IpAddress& address) const {
    return address.is_loopback() ||
           std::ranges::find(node_addresses_, address) != node_addresses_.end();
  }

  // Through a base chain of policy ACCEPT.
  Ends hook(Table table, const char* chain, const State& state) const {
    const ChainKey key{state.packet.destination.family(), table, chain};
    if (ruleset_.find(key) == nullptr) return {{End::fell_through, state}};
    return walk(key, 0, state);
  }

 private:
  Ends walk(const ChainKey& key, std::size_t from, State state) const {
    const auto* chain = ruleset_.find(key);
    if (chain == nullptr) throw std::runtime_error{"dangling jump"};
    Ends ends;
    for (auto i = from; i < chain->rules.size(); ++i) {
      const auto& rule = chain->rules[i].rule;
      if (!matches(rule, state)) continue;
      if (rule.probability != 0) ends.merge(walk(key, i + 1, state));
      auto met = take(key, rule, state);
      const bool goes_on = std::holds_alternative<nf::Goto>(rule.target) ||
                           std::holds_alternative<nf::Return>(rule.target);
      Ends fell;
      for (const auto& end : met) {
        if (end.first != End::fell_through || goes_on) {
          ends.insert(end);
        } else {
          fell.insert(end);
        }
      }
      if (fell.empty()) return ends;
      if (fell.size() == 1) {
        state = fell.begin()->second;
        continue;
      }
      for (const auto& [end, each] : fell) ends.merge(walk(key, i + 1, each));
      return ends;
    }
    ends.insert({End::fell_through, state});
    return ends;
  }

  Ends take(const ChainKey& key, const Rule& rule, State state) const {
    struct Visitor {
      const Walk& walk;
      const ChainKey& key;
      State& state;
      Ends operator()(const nf::NoTarget&) const { return {{End::fell_through, state}}; }
      Ends operator()(const nf::Return&) const { return {{End::fell_through, state}}; }
      Ends operator()(const nf::Accept&) const {
        state.accepted = true;
        return {{End::accepted, state}};
      }
      Ends operator()(const nf::Drop&) const { return {{End::dropped, state}}; }
      Ends operator()(const nf::Reject&) const { return {{End::rejected, state}}; }
      Ends operator()(const nf::Jump& to) const {
        return walk.walk({key.family, key.table, to.to}, 0, state);
      }
      Ends operator()(const nf::Goto& to) const {
        return walk.walk({key.family, key.table, to.to}, 0, state);
      }
      Ends operator()(const nf::Dnat& to) const {
        state.packet.destination = to.address;
        state.packet.port = to.port;
        state.translated = true;
        return {{End::accepted, state}};
      }
      Ends operator()(const nf::Mark& mark) const {
        state.mark = (state.mark & ~mark.mask) ^ mark.value;
        return {{End::fell_through, state}};
      }
      Ends operator()(const nf::Masquerade&) const {
        state.masqueraded = true;
        return {{End::accepted, state}};
      }
    };
    return std::visit(Visitor{*this, key, state}, rule.target);
  }

  [[nodiscard]] bool matches(const Rule& rule, const State& state) const {
    const auto& packet = state.packet;
    const auto address = [](const std::optional<nf::AddressMatch>& match, const auto& of) {
      return !match || match->prefix.contains(of) != match->inverted;
    };
    if (!address(rule.source, packet.source)) return false;
    if (!address(rule.destination, packet.destination)) return false;
    if (rule.in_interface && !interface_matches(*rule.in_interface, packet.in_interface))
      return false;
    if (rule.protocol && *rule.protocol != packet.protocol) return false;
    if (rule.destination_port &&
        (packet.port < rule.destination_port->first || rule.destination_port->last < packet.port))
      return false;
    if (rule.mark && ((state.mark & rule.mark->mask) == rule.mark->value) == rule.mark->inverted)
      return false;
    if (rule.state) {
      const bool any = rule.state->fresh || (rule.state->dnat && state.translated);
      if (any == rule.state->inverted) return false;
    }
    if (rule.address_type == nf::AddressType::source_local && !is_local(packet.source))
      return false;
    if (rule.address_type == nf::AddressType::destination_local && !is_local(packet.destination))
      return false;
    if (rule.source_is_destination && packet.source != packet.destination) return false;
    return !rule.recent || rule.recent->action == nf::Recent::Action::set;
  }

  static bool interface_matches(const nf::InterfaceMatch& match, const std::string& name) {
    const bool equal = match.name.ends_with('+')
                           ? name.starts_with(match.name.substr(0, match.name.size() - 1))
                           : name == match.name;
    return equal != match.inverted;
  }

  const fakes::FakeRuleset& ruleset_;
  const std::vector<proxy::IpAddress>& node_addresses_;
};

Arrival arrival(Fate fate, const State& state) {
  return {fate,
          state.packet.destination,
          state.packet.port,
          state.translated,
          state.masqueraded,
          state.accepted};
}

}  // namespace

void PrintTo(const Arrival& arrival, std::ostream* out) {
  constexpr std::array kFates{"arrives at ", "dropped on the way to ", "rejected on the way to "};
  *out << kFates[static_cast<std::size_t>(arrival.fate)] << arrival.destination.text() << " port "
       << arrival.port.value << (arrival.translated ? ", translated" : "")
       << (arrival.masqueraded ? ", masqueraded" : "") << (arrival.accepted ? ", accepted" : "");
}

std::set<Arrival> trace(const fakes::FakeRuleset& ruleset,
                        const std::vector<proxy::IpAddress>& node_addresses, const Packet& packet) {
  const Walk walk{ruleset, node_addresses};
  const bool from_node = packet.in_interface.empty();
  std::set<Arrival> out;
  std::set<State> states{State{packet}};
  const auto pass = [&](Table table, const char* chain) {
    std::set<State> on;
    for (const auto& state : states) {
      for (const auto& [end, after] : walk.hook(table, chain, state)) {
        if (end == End::dropped) {
          out.insert(arrival(Fate::dropped, after));
        } else if (end == End::rejected) {
          out.insert(arrival(Fate::rejected, after));
        } else {
          on.insert(after);
        }
      }
    }
    states = std::move(on);
  };
  // The part of `states` whose destination is the node itself, or is not.
  const auto route = [&](bool to_node, auto further) {
    auto all = std::move(states);
    states.clear();
    std::set<State> rest;
    for (const auto& state : all)
      (walk.is_local(state.packet.destination) == to_node ? states : rest).insert(state);
    further();
    states.merge(rest);
  };
  pass(Table::nat, from_node ? "OUTPUT" : "PREROUTING");
  if (from_node) {
    pass(Table::filter, "OUTPUT");
    pass(Table::nat, "POSTROUTING");
    route(true, [&] { pass(Table::filter, "INPUT"); });
  } else {
    route(true, [&] { pass(Table::filter, "INPUT"); });
    route(false, [&] {
      pass(Table::filter, "FORWARD");
      pass(Table::nat, "POSTROUTING");
    });
  }
  for (const auto& state : states) out.insert(arrival(Fate::arrives, state));
  return out;
}

}  // namespace modes::iptables::testing
