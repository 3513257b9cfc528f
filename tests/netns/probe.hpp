// Sends new connections (or first datagrams) from one place to another with real sockets, and says
// what became of each.
#pragma once

#include "tests/netns/arrivals.hpp"
#include "tests/netns/report.hpp"
#include "tests/netns/socket_address.hpp"
#include "tests/netns/topology.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace netns {

struct Outcome {
  enum class Kind : std::uint8_t {
    answered,     // somebody's report came back
    connected,    // TCP: accepted, nothing said
    reset,        // TCP: refused with a reset
    unreachable,  // an ICMP error came back
    arrived,      // seen arriving, no answer came back
    silent,       // nothing
    failed,       // the sender's own kernel refused
  };
  Kind kind = Kind::silent;
  Report report = {};          // answered: all of it; arrived: at and saw
  std::uint8_t icmp_type = 0;  // unreachable
  std::uint8_t icmp_code = 0;  // unreachable
  int error = 0;               // failed: errno

  // Without source ports, so that equal outcomes read the same.
  [[nodiscard]] std::string text() const;
};

// ICMP's port unreachable of that family (RFC 792; RFC 4443).
[[nodiscard]] bool is_port_unreachable(const Outcome& outcome, Family family);

struct Probe {
  Party* client = nullptr;
  IpAddress from;
  SocketAddress to;
  Protocol protocol = Protocol::tcp;
  int count = 1;
  bool connecting_is_enough = false;  // TCP: do not wait for a report
  // Where what was not answered is looked for; required when there are one-way destinations.
  const Arrivals* arrivals = nullptr;
  // Answers from these take a way that does not lead back: arriving there is enough.
  std::set<SocketAddress> one_way = {};
  // How long after sending an answer is waited for.
  std::chrono::milliseconds patience{3000};
  // Called after sending. Proves that what was sent has been dealt with by now (something sent
  // after it over the same way was answered); from then on `grace` is enough. Returns false when it
  // was not.
  std::function<bool()> control = nullptr;
  std::chrono::milliseconds grace{250};
  // The source port; absent: each its own, none used twice in ten thousand.
  std::optional<Port> source_port = std::nullopt;
};

// One outcome per connection, all made at the same time. Throws LabError when sockets cannot be
// made or the control was not answered.
[[nodiscard]] std::vector<Outcome> run(const Probe& probe);

}  // namespace netns
