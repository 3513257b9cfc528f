// How many descriptors connections may use: what the process may open, less what it needs itself.
//
// Shared by all workers. A connection takes what it needs before it is accepted, so that running
// out is a pause of accepting, with a line in the log, and never an EMFILE in the middle of things.
#pragma once

#include <atomic>
#include <cstdint>

namespace modes::userspace {

class Descriptors {
 public:
  explicit Descriptors(std::int64_t limit) : limit_{limit}, left_{limit} {}

  [[nodiscard]] bool take(std::int64_t count) {
    if (left_.fetch_sub(count, std::memory_order_relaxed) >= count) return true;
    give(count);
    return false;
  }
  void give(std::int64_t count) { left_.fetch_add(count, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t limit() const { return limit_; }
  [[nodiscard]] std::int64_t left() const { return left_.load(std::memory_order_relaxed); }

 private:
  std::int64_t limit_;
  std::atomic<std::int64_t> left_;
};

// Raises the soft limit to the hard one (RLIMIT_NOFILE) and returns what connections may have of it
// when `workers` threads have their own.
[[nodiscard]] std::int64_t descriptors_for_connections(std::size_t workers);

}  // namespace modes::userspace
