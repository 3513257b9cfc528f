#include "tests/netns/judge.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace netns {
namespace {

using Kind = Outcome::Kind;

constexpr const char* kShouldBeUnchanged = "the source should be unchanged";

bool bypasses_node(const SocketAddress& endpoint, bool masqueraded,
                   const Surroundings& surroundings) {
  return !masqueraded && !surroundings.hides_sources && !surroundings.client_is_on_node_a &&
         !surroundings.endpoints_on_node_a.contains(endpoint.ip);
}

// Upstream and the clients outside reach each other without node-a, whose firewall then sees one
// half of a connection only and may well refuse its second packet.
bool passing_bypasses_node(const Surroundings& surroundings) {
  return !surroundings.client_is_on_node_a && !surroundings.destination_is_node_a;
}

// Why a source seen by an endpoint is wrong; empty when it is right.
std::string wrong_source(const IpAddress& saw, bool masqueraded, const Flow& flow,
                         const Surroundings& surroundings) {
  const bool is_node = surroundings.node_addresses.contains(saw);
  if (masqueraded || surroundings.hides_sources) {
    return is_node ? "" : "the source should be an address of node-a";
  }
  return saw == flow.from ? "" : kShouldBeUnchanged;
}

std::string wrong_delivery(const Outcome& outcome, const Flow& flow, const Expectation& expected,
                           const Surroundings& surroundings) {
  if (outcome.kind != Kind::answered && outcome.kind != Kind::arrived) return "not delivered";
  const auto endpoint = expected.masquerade.find(outcome.report.at);
  if (endpoint == expected.masquerade.end()) return "not an expected endpoint";
  const auto& [at, masqueraded] = *endpoint;
  if (outcome.kind == Kind::arrived && !bypasses_node(at, masqueraded, surroundings)) {
    return "the answer got lost";
  }
  return wrong_source(outcome.report.saw.ip, masqueraded, flow, surroundings);
}

std::string wrong_pass(const Outcome& outcome, const Flow& flow, const Surroundings& surroundings) {
  const bool answered =
      outcome.kind == Kind::answered && outcome.report.party == surroundings.literal_destination;
  const bool arrived = outcome.kind == Kind::arrived && passing_bypasses_node(surroundings);
  if ((!answered && !arrived) || outcome.report.at != flow.to) {
    return "should arrive at " + flow.to.text() + " of " + surroundings.literal_destination;
  }
  return outcome.report.saw.ip == flow.from ? "" : kShouldBeUnchanged;
}

std::string wrong_accept(const Outcome& outcome, const Flow& flow) {
  // The node's own stack spoke: whether somebody listens there is not the question.
  const bool spoke =
      outcome.kind == Kind::connected || outcome.kind == Kind::answered ||
      outcome.kind == Kind::reset ||
      (flow.protocol != Protocol::tcp && is_port_unreachable(outcome, flow.to.ip.family()));
  return spoke ? "" : "should reach node-a's own stack";
}

std::string wrong(const Outcome& outcome, const Flow& flow, const Expectation& expected,
                  const Surroundings& surroundings) {
  switch (expected.verdict) {
    case Verdict::endpoints:
      return wrong_delivery(outcome, flow, expected, surroundings);
    case Verdict::drop:
      return outcome.kind == Kind::silent ? "" : "should get no answer at all";
    case Verdict::reject:
      return is_port_unreachable(outcome, flow.to.ip.family()) ? ""
                                                               : "should be told: port unreachable";
    case Verdict::pass:
      return wrong_pass(outcome, flow, surroundings);
    case Verdict::accept:
      return wrong_accept(outcome, flow);
  }
  return "unknown verdict";
}

// Whether leaving out one of so many endpoints by chance is too unlikely to happen.
bool is_enough(std::size_t endpoints, std::size_t connections) {
  const auto n = static_cast<double>(endpoints);
  return n * std::pow(1 - 1 / n, static_cast<double>(connections)) < 1e-4;
}

std::vector<std::string> wrong_spread(const Flow& flow, const Expectation& expected,
                                      const std::vector<Outcome>& outcomes) {
  std::set<SocketAddress> reached;
  for (const auto& outcome : outcomes) reached.insert(outcome.report.at);
  if (flow.sticky || !flow.sticky_group.empty()) {
    if (reached.size() == 1) return {};
    return {"should stay with one endpoint, but reached " + std::to_string(reached.size())};
  }
  std::vector<std::string> missed;
  if (!is_enough(expected.masquerade.size(), outcomes.size())) return missed;
  for (const auto& [endpoint, masqueraded] : expected.masquerade) {
    if (!reached.contains(endpoint)) missed.push_back("never reached " + endpoint.text());
  }
  return missed;
}

}  // namespace

std::set<SocketAddress> one_way_destinations(const Flow& flow, const Expectation& expected,
                                             const Surroundings& surroundings) {
  std::set<SocketAddress> result;
  if (expected.verdict == Verdict::pass && passing_bypasses_node(surroundings)) {
    result.insert(flow.to);
  }
  for (const auto& [endpoint, masqueraded] : expected.masquerade) {
    if (bypasses_node(endpoint, masqueraded, surroundings)) result.insert(endpoint);
  }
  return result;
}

int connections_needed(const Expectation& expected) {
  constexpr int kPerEndpoint = 12, kForVerdict = 2;
  if (expected.verdict != Verdict::endpoints) return kForVerdict;
  return kPerEndpoint * static_cast<int>(expected.masquerade.size());
}

std::vector<std::string> disagreements(const Flow& flow, const Expectation& expected,
                                       const Surroundings& surroundings,
                                       const std::vector<Outcome>& outcomes) {
  std::set<std::string> found;
  for (const auto& outcome : outcomes) {
    const auto why = wrong(outcome, flow, expected, surroundings);
    if (!why.empty()) found.insert(why + ": " + outcome.text());
  }
  if (outcomes.empty()) found.insert("no connection was made");
  std::vector<std::string> result{found.begin(), found.end()};
  if (result.empty() && expected.verdict == Verdict::endpoints) {
    result = wrong_spread(flow, expected, outcomes);
  }
  return result;
}

std::string summary(const std::vector<Outcome>& outcomes) {
  std::map<std::string, int> counts;
  for (const auto& outcome : outcomes) ++counts[outcome.text()];
  std::string result;
  for (const auto& [text, count] : counts) {
    result += "    " + std::to_string(count) + " x " + text + '\n';
  }
  return result;
}

}  // namespace netns
