// Response rate limiting: bounds what one client network can make us send, so that forged source
// addresses are not worth forging.
//
// A token bucket per client network (IPv4 /24, IPv6 /56), in a table of fixed size. Networks that
// fall on one bucket share it: the table never grows, and never forgets a flood. Each worker has
// its own, so the limit holds per worker.
#pragma once

#include "proxy/ip_address.hpp"

#include <cstdint>
#include <vector>

namespace dns::serve {

class RateLimit {
 public:
  enum class Verdict : std::uint8_t {
    send,
    slip,  // an empty reply with TC: a real client comes back by TCP
    drop,
  };

  // `per_second`: replies to one network; 0 for no limit. Bursts of a second's worth are let pass.
  RateLimit(std::uint32_t per_second, std::uint64_t seed);

  // `now`: any steady clock, nanoseconds.
  [[nodiscard]] Verdict check(const proxy::IpAddress& client, std::int64_t now);

 private:
  static constexpr std::size_t kBuckets = 4096;
  static constexpr std::uint32_t kSlip = 2;  // every second reply over the limit

  struct Bucket {
    std::int64_t full_at = 0;  // when the bucket would be full again, nanoseconds
    std::uint32_t over = 0;    // replies over the limit, for the slip
  };
  std::int64_t cost_ = 0;  // nanoseconds that one reply takes; 0: no limit
  std::uint64_t seed_;
  std::vector<Bucket> buckets_;
};

}  // namespace dns::serve
