// Compares what happened to a flow's connections with what the scenario expects. Pure.
#pragma once

#include "tests/netns/probe.hpp"
#include "tests/netns/scenario.hpp"

#include <set>
#include <string>
#include <vector>

namespace netns {

// What a judgement needs to know of the lab.
struct Surroundings {
  std::set<IpAddress> node_addresses;       // node-a's, without loopback's
  std::string literal_destination;          // who has the flow's destination when nobody translates
  bool destination_is_node_a = false;       // that one is node-a
  bool client_is_on_node_a = true;          // itself or a pod of its own
  std::set<IpAddress> endpoints_on_node_a;  // of the expected ones
  bool hides_sources = false;               // ModeTraits
};

// The destinations whose answers do not lead back through the node: endpoints, or the literal
// destination, that see an outside client's own address and are elsewhere. Arriving there is
// enough.
[[nodiscard]] std::set<SocketAddress> one_way_destinations(const Flow& flow,
                                                           const Expectation& expected,
                                                           const Surroundings& surroundings);

// Connections to make when the scenario does not say: enough that missing an endpoint, or a
// wrong one, by chance is out of question.
[[nodiscard]] int connections_needed(const Expectation& expected);

// Every disagreement, one line each; empty when all is as expected.
[[nodiscard]] std::vector<std::string> disagreements(const Flow& flow, const Expectation& expected,
                                                     const Surroundings& surroundings,
                                                     const std::vector<Outcome>& outcomes);

// "12 x answered by pod 10.180.0.1 …", one line per kind of outcome.
[[nodiscard]] std::string summary(const std::vector<Outcome>& outcomes);

}  // namespace netns
