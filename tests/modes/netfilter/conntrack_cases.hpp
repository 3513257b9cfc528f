// The tables of tests/conformance/conntrack.yaml.
#pragma once

#include "modes/netfilter/conntrack_plan.hpp"
#include "proxy/protocol.hpp"
#include "proxy/state/service_table.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace modes::netfilter::testing {

// A tracked flow, and whether it is there after the cleanup.
struct ConntrackEntry {
  proxy::Protocol protocol = proxy::Protocol::udp;
  Endpoint original_destination;
  Endpoint reply_source;
  bool kept = false;
};
std::ostream& operator<<(std::ostream& out, const ConntrackEntry& entry);

struct ConntrackCase {
  std::string name;
  std::vector<proxy::records::Record> objects;
  std::vector<ConntrackEntry> entries;
};

// Those that list entries. Throws for anything that is not of the schema.
[[nodiscard]] std::vector<ConntrackCase> conntrack_cases();

// What is owed when the proxy starts on `objects`.
[[nodiscard]] std::vector<ConntrackRule> rules_at_start(
    const std::vector<proxy::records::Record>& objects);

}  // namespace modes::netfilter::testing
