// Makes a scenario's flows happen in the lab and judges them. Knows nothing of what translates.
#pragma once

#include "tests/netns/judge.hpp"
#include "tests/netns/patience.hpp"
#include "tests/netns/probe.hpp"
#include "tests/netns/responder.hpp"
#include "tests/netns/scenario.hpp"
#include "tests/netns/topology.hpp"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace netns {

struct FlowFailure {
  const Flow* flow = nullptr;
  std::string text;  // flow, expected, seen: several lines
};

class FlowRunner {
 public:
  FlowRunner(Topology& topology, Responder& responder, ModeTraits mode);

  // Starts an endpoint for each that is not there yet. Throws LabError.
  void serve(const std::set<Listener>& listeners);

  // How long an answer is waited for where one is expected.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }

  // Flows that depend on nothing run at the same time; those that are ordered, and those that need
  // node-a's INPUT policy to be DROP, by themselves. Flows of other modes are left out.
  [[nodiscard]] std::vector<FlowFailure> run(const std::vector<Flow>& flows);

 private:
  // A flow with everything that making it happen needs, so that the threads that do share nothing.
  struct Prepared {
    const Flow* flow;
    const Expectation* expected;
    Surroundings surroundings;
    Probe probe;
  };
  class LiteralDestinations;

  [[nodiscard]] Prepared prepare(const Flow& flow);
  [[nodiscard]] Surroundings surroundings_of(const Flow& flow, const Expectation& expected);
  // Empty when all is as expected.
  [[nodiscard]] static std::string carry_out(const Prepared& prepared,
                                             std::vector<Outcome>& outcomes);
  // Empty unless the flow's group has reached another endpoint before.
  [[nodiscard]] std::string strayed_from_group(const Prepared& prepared,
                                               const std::vector<Outcome>& outcomes);
  // The answer of some endpoint would have to come through the node and cannot.
  [[nodiscard]] bool is_beyond_mode(const Flow& flow);
  void run_together(const std::vector<const Flow*>& flows, std::vector<FlowFailure>& failures);

  Topology& topology_;
  Responder& responder_;
  ModeTraits mode_;
  std::chrono::milliseconds patience_ = patience(std::chrono::seconds{3});
  std::set<Listener> served_;
  std::map<std::pair<std::string, IpAddress>, SocketAddress> sticky_;  // by group and client
};

}  // namespace netns
