// What has gone through a service port, as far as a mode counts it: one type for all modes.
//
// A figure that is absent is not known, because the mode does not count it; 0 is none.
#pragma once

#include "proxy/state/endpoint_list.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

namespace modes {

struct TrafficCounts {
  using Count = std::optional<std::uint64_t>;

  Count connections = {};  // begun; of UDP, flows
  Count open = {};         // of these, now
  // Of a service port: connections that no endpoint took, of UDP datagrams. Of an endpoint:
  // connections that it did not take; another one may have.
  Count refused = {};
  Count bytes_in = {};   // from clients to endpoints
  Count bytes_out = {};  // from endpoints to clients

  // What is known of either is known of both together.
  TrafficCounts& operator+=(const TrafficCounts& other) {
    const auto add = [](Count& to, const Count& more) {
      if (more) to = to.value_or(0) + *more;
    };
    add(connections, other.connections);
    add(open, other.open);
    add(refused, other.refused);
    add(bytes_in, other.bytes_in);
    add(bytes_out, other.bytes_out);
    return *this;
  }
  friend bool operator==(const TrafficCounts&, const TrafficCounts&) = default;
};

struct Traffic {
  TrafficCounts total;
  std::map<proxy::state::Endpoint, TrafficCounts> endpoints;
  // What began after this moment is counted in full; something older may be too. Counting begins
  // anew for what a mode has to write anew. Absent: at some time before this process began.
  std::optional<std::chrono::system_clock::time_point> since;

  friend bool operator==(const Traffic&, const Traffic&) = default;
};

}  // namespace modes
