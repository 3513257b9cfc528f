// What a worker counts. One thread writes, others may read at any time and see each number whole.
//
// Plain arrays indexed by small numbers, so that counting costs an addition; names and labels come
// in when somebody asks for metrics (metrics.hpp).
#pragma once

#include "dns/wire.hpp"
#include "proxy/ip_address.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>

namespace dns::serve {

// A number that one thread increments and others read.
class Count {
 public:
  void add(std::uint64_t more = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Upper bounds grow by two, so that finding the bucket of a value is one instruction.
template <unsigned kFirstBit, unsigned kBuckets>
class Histogram {
 public:
  void add(std::uint64_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value == 0 ? 0 : value - 1));
    const unsigned bucket = width <= kFirstBit ? 0 : std::min(width - kFirstBit, kBuckets);
    counts_[bucket].add();
    sum_.add(value);
  }
  static constexpr unsigned kFinite = kBuckets;  // and one bucket more for all above
  [[nodiscard]] static std::uint64_t bound(unsigned bucket) {
    return std::uint64_t{1} << (kFirstBit + bucket);
  }
  [[nodiscard]] std::uint64_t count(unsigned bucket) const { return counts_[bucket].get(); }
  [[nodiscard]] std::uint64_t sum() const { return sum_.get(); }

 private:
  std::array<Count, kBuckets + 1> counts_;
  Count sum_;
};

inline constexpr std::array kCountedTypes{
    Type::a,  Type::aaaa, Type::srv,  Type::ptr,    Type::txt,  Type::cname, Type::soa,
    Type::ns, Type::mx,   Type::any,  Type::https,  Type::svcb, Type::hinfo, Type::naptr,
    Type::ds, Type::caa,  Type::axfr, Type::dnskey, Type::ixfr};
inline constexpr std::array kCountedRcodes{
    Rcode::no_error,        Rcode::format_error, Rcode::server_failure, Rcode::name_error,
    Rcode::not_implemented, Rcode::refused,      Rcode::bad_version,    Rcode::bad_cookie};

// The last index is for all others.
[[nodiscard]] inline std::size_t index_of(Type type) {
  for (std::size_t i = 0; i < kCountedTypes.size(); ++i) {
    if (kCountedTypes[i] == type) return i;
  }
  return kCountedTypes.size();
}
[[nodiscard]] inline std::size_t index_of(Rcode rcode) {
  for (std::size_t i = 0; i < kCountedRcodes.size(); ++i) {
    if (kCountedRcodes[i] == rcode) return i;
  }
  return kCountedRcodes.size();
}

enum class Transport : std::uint8_t { udp, tcp };
// Where an answer came from; CoreDNS' metrics call it the plugin.
enum class Origin : std::uint8_t { zone, cache, upstream, refused };
inline constexpr std::size_t kOrigins = 4;

struct Counters {
  // [transport][family][type]
  std::array<std::array<std::array<Count, kCountedTypes.size() + 1>, 2>, 2> requests;
  std::array<std::array<Count, kCountedRcodes.size() + 1>, kOrigins> responses;  // [origin][rcode]
  Count dnssec_ok_requests;
  Count dropped;                   // messages that are answered with silence
  Count rate_limited;              // replies withheld or cut short by the rate limit
  Count cached_denials;            // of the answers from the cache, those that say no
  Count short_names;               // service.namespace answered as written
  Count truncated;                 // replies with TC
  Count send_failures;             // replies that the kernel did not take
  Count autopath;                  // answers found by walking the client's search list
  Histogram<10, 20> duration;      // nanoseconds: 1 µs … 1 s, from receipt to hand-over
  Histogram<5, 11> request_size;   // bytes: 32 … 64 Ki
  Histogram<5, 11> response_size;  // bytes
};

}  // namespace dns::serve
