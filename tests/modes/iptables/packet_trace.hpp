// Walks the first packet of a connection through a ruleset, as netfilter would: every way that
// chance leaves open.
#pragma once

#include "modes/netfilter/rule.hpp"
#include "tests/fakes/fake_ruleset.hpp"

#include <cstdint>
#include <iosfwd>
#include <set>
#include <string>
#include <vector>

namespace modes::iptables::testing {

struct Packet {
  proxy::IpAddress source;
  proxy::IpAddress destination;
  proxy::Protocol protocol = proxy::Protocol::tcp;
  proxy::Port port;
  std::string in_interface;  // empty: the node itself sends it
};

enum class Fate : std::uint8_t { arrives, dropped, rejected };

struct Arrival {
  Fate fate = Fate::arrives;
  proxy::IpAddress destination;  // where it arrives, or where it went when it was stopped
  proxy::Port port;
  bool translated = false;   // its destination
  bool masqueraded = false;  // its source
  bool accepted = false;     // a rule of filter said so, whatever the policy of the chain
  friend auto operator<=>(const Arrival&, const Arrival&) = default;
  friend bool operator==(const Arrival&, const Arrival&) = default;
};
void PrintTo(const Arrival& arrival, std::ostream* out);  // for GoogleTest

// `node_addresses`: the node's own. A client that session affinity does not know yet.
[[nodiscard]] std::set<Arrival> trace(const fakes::FakeRuleset& ruleset,
                                      const std::vector<proxy::IpAddress>& node_addresses,
                                      const Packet& packet);

}  // namespace modes::iptables::testing
