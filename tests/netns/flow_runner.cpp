#include "tests/netns/flow_runner.hpp"

#include "tests/netns/control_pod.hpp"
#include "tests/netns/judge.hpp"
#include "tests/netns/process.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace netns {
namespace {

const char* iptables_command(Family family) {
  return family == Family::v4 ? "iptables" : "ip6tables";
}

// node-a's INPUT policy is DROP while it lives. Neighbour discovery goes on, as it does behind
// every firewall that lets IPv6 work.
class DroppingInput {
 public:
  DroppingInput(const Party& node, Family family)
      : node_{node}, command_{iptables_command(family)} {
    for (const auto* type : kNeighbourDiscovery) change("-I", type, family);
    run_or_fail(node_.net, {command_, "-P", "INPUT", "DROP"});
    family_ = family;
  }
  ~DroppingInput() {
    netns::run(node_.net, {command_, "-P", "INPUT", "ACCEPT"});
    for (const auto* type : kNeighbourDiscovery) change("-D", type, family_);
  }
  DroppingInput(const DroppingInput&) = delete;
  DroppingInput& operator=(const DroppingInput&) = delete;

 private:
  static constexpr std::array kNeighbourDiscovery{"neighbour-solicitation",
                                                  "neighbour-advertisement"};
  void change(const char* what, const char* type, Family family) {
    if (family == Family::v4) return;
    netns::run(node_.net,
               {command_, what, "INPUT", "-p", "ipv6-icmp", "--icmpv6-type", type, "-j", "ACCEPT"});
  }
  const Party& node_;
  std::string command_;
  Family family_ = Family::v4;
};

std::vector<Outcome> run_in_order(const Flow& flow, Probe probe) {
  std::vector<Outcome> outcomes;
  const int count = std::exchange(probe.count, 1);
  for (int i = 0; i < count; ++i) {
    // The scenario asks for this time to pass: affinity that times out knows no event to wait for.
    if (flow.wait_before_each) std::this_thread::sleep_for(*flow.wait_before_each);
    for (auto& outcome : netns::run(probe)) outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace

// Somebody answers at the flows' literal destinations while it lives, so that a packet that nobody
// translated is seen. On node-a a TCP destination is served only where a flow is to pass: elsewhere
// the port belongs to whoever proxies.
class FlowRunner::LiteralDestinations {
 public:
  LiteralDestinations(FlowRunner& runner, const std::vector<const Flow*>& flows)
      : responder_{runner.responder_} {
    for (const auto* flow : flows) {
      const auto verdict = expectation(*flow, runner.mode_).verdict;
      auto& party = runner.topology_.literal_destination(flow->to.ip);
      const bool is_node = &party == &runner.topology_.node_a();
      const bool wanted = !is_node || verdict == Verdict::pass ||
                          (verdict != Verdict::accept && flow->protocol != Protocol::tcp);
      if (!wanted || !seen_.insert({flow->to, flow->protocol}).second) continue;
      if (const auto id = responder_.serve(party, flow->to, flow->protocol)) ids_.push_back(*id);
    }
  }
  ~LiteralDestinations() {
    for (const auto id : ids_) responder_.stop_serving(id);
  }
  LiteralDestinations(const LiteralDestinations&) = delete;
  LiteralDestinations& operator=(const LiteralDestinations&) = delete;

 private:
  Responder& responder_;
  std::set<Listener> seen_;
  std::vector<Responder::Id> ids_;
};

FlowRunner::FlowRunner(Topology& topology, Responder& responder, ModeTraits mode)
    : topology_{topology}, responder_{responder}, mode_{std::move(mode)} {
  responder_.watch(topology_.upstream());
  for (const auto family : proxy::kFamilies) serve({{control_pod(family), Protocol::tcp}});
}

void FlowRunner::serve(const std::set<Listener>& listeners) {
  for (const auto& listener : listeners) {
    if (!served_.insert(listener).second) continue;
    auto& pod = topology_.owner(listener.at.ip);
    const bool is_new = std::ranges::count_if(served_, [&](const Listener& other) {
                          return other.at.ip == listener.at.ip;
                        }) == 1;
    if (is_new) responder_.watch(pod);
    if (!responder_.serve(pod, listener.at, listener.protocol)) {
      throw LabError{"somebody listens already at " + listener.at.text()};
    }
  }
}

Surroundings FlowRunner::surroundings_of(const Flow& flow, const Expectation& expected) {
  const auto& destination = topology_.literal_destination(flow.to.ip);
  Surroundings result{.node_addresses = topology_.node_addresses(),
                      .literal_destination = destination.name,
                      .destination_is_node_a = &destination == &topology_.node_a(),
                      .client_is_on_node_a = topology_.is_on_node_a(flow.from),
                      .endpoints_on_node_a = {},
                      // No proxy stands between the ends of an SCTP association.
                      .hides_sources = mode_.hides_sources && flow.protocol != Protocol::sctp};
  for (const auto& [endpoint, masqueraded] : expected.masquerade) {
    if (topology_.is_on_node_a(endpoint.ip)) result.endpoints_on_node_a.insert(endpoint.ip);
  }
  return result;
}

FlowRunner::Prepared FlowRunner::prepare(const Flow& flow) {
  const auto& expected = expectation(flow, mode_);
  Prepared prepared{.flow = &flow,
                    .expected = &expected,
                    .surroundings = surroundings_of(flow, expected),
                    .probe = {.client = &topology_.owner(flow.from),
                              .from = flow.from,
                              .to = flow.to,
                              .protocol = flow.protocol,
                              .count = flow.repeat.value_or(connections_needed(expected)),
                              .arrivals = &responder_.arrivals(),
                              .patience = patience_}};
  auto& probe = prepared.probe;
  probe.connecting_is_enough = expected.verdict == Verdict::accept;
  probe.one_way = one_way_destinations(flow, expected, prepared.surroundings);
  if (expected.verdict == Verdict::drop) {
    // What left node-a before the control was answered has arrived somewhere by then, or soon will.
    probe.control = [client = probe.client, from = flow.from] {
      return control_pod_answers(*client, from);
    };
  }
  return prepared;
}

std::string FlowRunner::carry_out(const Prepared& prepared, std::vector<Outcome>& outcomes) {
  const auto& [flow, expected, surroundings, probe] = prepared;
  outcomes = flow->is_ordered() ? run_in_order(*flow, probe) : netns::run(probe);
  const auto wrong = disagreements(*flow, *expected, surroundings, outcomes);
  if (wrong.empty()) return {};
  std::string text;
  for (const auto& line : wrong) text += "  wrong:    " + line + '\n';
  return text;
}

std::string FlowRunner::strayed_from_group(const Prepared& prepared,
                                           const std::vector<Outcome>& outcomes) {
  const auto& flow = *prepared.flow;
  if (flow.sticky_group.empty() || prepared.expected->verdict != Verdict::endpoints) return {};
  const auto at = outcomes.front().report.at;
  const auto [first, is_first] = sticky_.insert({{flow.sticky_group, flow.from}, at});
  if (is_first || first->second == at) return {};
  return "  wrong:    the group stayed with " + first->second.text() + " up to now\n";
}

void FlowRunner::run_together(const std::vector<const Flow*>& flows,
                              std::vector<FlowFailure>& failures) {
  const LiteralDestinations destinations{*this, flows};
  std::vector<Prepared> prepared;
  for (const auto* flow : flows) prepared.push_back(prepare(*flow));
  std::vector<std::vector<Outcome>> outcomes{flows.size()};
  std::vector<std::future<std::string>> running;
  running.reserve(flows.size());
  for (std::size_t i = 0; i < flows.size(); ++i) {
    running.push_back(
        std::async(std::launch::async, [&, i] { return carry_out(prepared[i], outcomes[i]); }));
  }
  for (std::size_t i = 0; i < flows.size(); ++i) {
    auto wrong = running[i].get();
    if (wrong.empty()) wrong = strayed_from_group(prepared[i], outcomes[i]);
    if (wrong.empty()) continue;
    failures.push_back({flows[i], "  flow:     " + flows[i]->name + "  (" + flows[i]->text() +
                                      ")\n  expected: " + prepared[i].expected->text() +
                                      "\n  seen:\n" + summary(outcomes[i]) + wrong});
  }
}

bool FlowRunner::is_beyond_mode(const Flow& flow) {
  const auto& expected = expectation(flow, mode_);
  const auto surroundings = surroundings_of(flow, expected);
  if (!mode_.ends_connections || surroundings.hides_sources || surroundings.client_is_on_node_a) {
    return false;
  }
  return std::ranges::any_of(expected.masquerade, [&](const auto& item) {
    const auto& [endpoint, masqueraded] = item;
    return !masqueraded && !surroundings.endpoints_on_node_a.contains(endpoint.ip);
  });
}

std::vector<FlowFailure> FlowRunner::run(const std::vector<Flow>& flows) {
  std::vector<FlowFailure> failures;
  std::vector<const Flow*> together;
  const auto run_collected = [&] { run_together(std::exchange(together, {}), failures); };
  for (const auto& flow : flows) {
    if (!applies(flow, mode_) || is_beyond_mode(flow)) continue;
    const bool needs_policy = expectation(flow, mode_).verdict == Verdict::accept;
    if (!needs_policy && !flow.is_ordered()) {
      together.push_back(&flow);
      // A slow machine that has all at once to do misses the kernel's own time limits.
      constexpr std::size_t kAtOnceWhenSlow = 6;
      if (slowness() > 1 && together.size() >= kAtOnceWhenSlow) run_collected();
      continue;
    }
    run_collected();
    std::optional<DroppingInput> policy;
    if (needs_policy) policy.emplace(topology_.node_a(), flow.to.ip.family());
    run_together({&flow}, failures);
  }
  run_collected();
  return failures;
}

}  // namespace netns
