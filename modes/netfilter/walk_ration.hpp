// How many walks of the kernel's connection tracking table may be made, for each costs CPU time by
// the size of the table: one more each second, up to a few after a quiet time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace modes::netfilter {

class WalkRation {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kMost = 4;

  // From then on at least one walk may be made.
  [[nodiscard]] Time open_from() const { return full_at_ - kSecond * (kMost - 1); }

  [[nodiscard]] std::size_t left(Time now) const {
    if (now >= full_at_) return kMost;
    const auto missing = (full_at_ - now + kSecond - Duration{1}) / kSecond;  // rounded up
    return kMost - std::min(kMost, static_cast<std::size_t>(missing));
  }

  // May be more than there are left; then it takes longer until there are some again.
  void spend(std::size_t walks, Time now) { full_at_ = std::max(full_at_, now) + kSecond * walks; }

 private:
  using Duration = Time::duration;
  static constexpr Duration kSecond = std::chrono::seconds{1};

  Time full_at_{};
};

}  // namespace modes::netfilter
