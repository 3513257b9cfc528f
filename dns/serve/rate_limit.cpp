#include "dns/serve/rate_limit.hpp"

#include "dns/address_name.hpp"
#include "dns/hash.hpp"

#include <algorithm>

namespace dns::serve {

namespace {
constexpr std::int64_t kSecond = 1'000'000'000;
}

RateLimit::RateLimit(std::uint32_t per_second, std::uint64_t seed) : seed_{seed} {
  if (per_second == 0) return;
  cost_ = kSecond / per_second;
  buckets_.resize(kBuckets);
}

RateLimit::Verdict RateLimit::check(const proxy::IpAddress& client, std::int64_t now) {
  if (cost_ == 0) return Verdict::send;
  const auto bytes = wire_bytes(client);
  const auto network = bytes.first(bytes.size() == 4 ? 3 : 7);
  auto& bucket = buckets_[hash_bytes(network, seed_) % kBuckets];
  const auto full_at = std::max(bucket.full_at, now) + cost_;
  if (full_at <= now + kSecond) {
    bucket.full_at = full_at;
    bucket.over = 0;
    return Verdict::send;
  }
  return ++bucket.over % kSlip == 0 ? Verdict::slip : Verdict::drop;
}

}  // namespace dns::serve
