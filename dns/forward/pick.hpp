// Asks a group of upstreams one question: the quickest first, the next one when it takes too long
// or fails, the first good answer wins.
#pragma once

#include "dns/forward/cache.hpp"
#include "dns/forward/upstream.hpp"

#include <memory>
#include <span>
#include <vector>

namespace dns::forward {

// In which order to ask: healthy ones by round-trip time (those never asked first), now and then
// another healthy one first, so that a time that has become wrong is found out; unhealthy ones
// last. Excluded ones never. `random`: well mixed.
[[nodiscard]] std::vector<std::shared_ptr<Upstream>> asking_order(
    const std::vector<std::shared_ptr<Upstream>>& upstreams, std::uint32_t random);

// Pending questions own their name, so `question` stays valid. Fails at the deadline, when nobody
// is left to ask, and with the last upstream's error. A refusal or SERVFAIL is the answer only if
// nobody has a better one.
asio::awaitable<Result<StoredAnswer>> pick(asio::any_io_executor executor,
                                           std::vector<std::shared_ptr<Upstream>> upstreams,
                                           Question question,
                                           std::chrono::steady_clock::time_point deadline,
                                           std::uint64_t& random);

}  // namespace dns::forward
