// What would happen to the first packet of a connection on this node, and why.
//
// Pure: follows from the table that the modes forward by and from facts about the node, not from
// what is in the kernel. The flow scenarios that the modes are tested with hold for it too.
#pragma once

#include "proxy/config/config.hpp"
#include "proxy/state/service_table.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::explain {

struct Question {
  IpAddress to;
  Port port;
  Protocol protocol = Protocol::tcp;
  std::optional<IpAddress> from;  // absent: whoever it may be
};

// "10.96.0.10:53/udp", "[fd00::a]:80", "10.96.0.10:80"; TCP where no protocol is named, which may
// be in capitals. Fails with a text that names the part that is wrong.
[[nodiscard]] Result<Question> parse_question(std::string_view text);

// What the answer depends on beside the table.
struct NodeView {
  std::vector<IpAddress> addresses;    // of all its links, loopback ones too
  std::vector<IpAddress> primary_ips;  // at most one of each family
  std::vector<IpPrefix> pod_cidrs;     // of its Node object
  config::DetectLocal detect_local;
  NodePortAddresses node_port_addresses;
  bool masquerade_all = false;
  bool node_ports_on_loopback_v4 = true;
  bool node_ports_on_loopback_v6 = false;
  // VIPs are addresses of this machine, and a service port has one set of endpoints for all who
  // ask.
  bool by_ipvs = false;
};

enum class Fate : std::uint8_t {
  forwarded,
  rejected,   // the client is told: port unreachable
  dropped,    // in silence
  untouched,  // no service's: it goes on as it would without a proxy
};
[[nodiscard]] std::string_view to_string(Fate fate);

enum class Source : std::uint8_t { unchanged, node, unknown };  // whose address an endpoint sees
[[nodiscard]] std::string_view to_string(Source source);

struct Destination {
  state::Endpoint endpoint;
  Source sees = Source::unknown;
};

struct Explanation {
  Fate fate = Fate::untouched;
  std::optional<state::ServicePortName> service;
  std::string_view by;                    // "cluster IP", "node port" …; empty: by nothing
  std::vector<Destination> destinations;  // one of them, each equally likely; if forwarded
  std::vector<std::string> because;       // sentences without full stop; names from records are
                                          // as hostile as they were
};

[[nodiscard]] Explanation explain(const state::ServiceTable& table, const NodeView& node,
                                  const Question& question);

}  // namespace proxy::explain
