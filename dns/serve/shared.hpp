// What everything that serves clients shares and only reads.
#pragma once

#include "dns/epochs.hpp"
#include "dns/responder.hpp"
#include "dns/serve/counters.hpp"
#include "dns/serve/outside.hpp"
#include "proxy/log.hpp"

#include <cstdint>

namespace dns::serve {

struct Shared {
  const Published<Zone>& zone;
  const Responder& responder;
  Outside* outside = nullptr;       // null: nothing is forwarded
  std::uint32_t rate_limit = 0;     // UDP replies a second, client network and worker; 0: no limit
  proxy::Log* query_log = nullptr;  // told of each query; null: no such log
};

// The steady clock in nanoseconds, and Unix time in seconds (coarse: a few milliseconds late).
[[nodiscard]] std::int64_t steady_now();
[[nodiscard]] std::uint32_t unix_now();

// A stream of well-mixed numbers; `state` is not 0.
[[nodiscard]] std::uint32_t next_random(std::uint64_t& state);

void count_request(Counters& counters, const Exchange& exchange, const IpAddress& client,
                   Transport transport, std::size_t size);
// A line for the query and what became of it; `size` 0 if it is still on its way.
void log_query(const Shared& shared, const Exchange& exchange, const IpAddress& client,
               Transport transport, std::size_t size);
void count_reply(Counters& counters, const Exchange& exchange, Origin origin, std::size_t size);

}  // namespace dns::serve
