#include "modes/userspace/affinity.hpp"

#include <algorithm>
#include <vector>

namespace modes::userspace {

std::optional<Endpoint> Affinity::find(const IpAddress& client, Clock::time_point now) {
  const std::lock_guard lock{mutex_};
  const auto it = visits_.find(client);
  if (it == visits_.end() || now - it->second.at > timeout_) return std::nullopt;
  return it->second.endpoint;
}

void Affinity::remember(const IpAddress& client, const Endpoint& endpoint, Clock::time_point now) {
  const std::lock_guard lock{mutex_};
  visits_.insert_or_assign(client, Visit{endpoint, now});
  if (visits_.size() >= sweep_at_) forget_old(now);
}

void Affinity::set_timeout(std::chrono::seconds timeout) {
  const std::lock_guard lock{mutex_};
  timeout_ = timeout;
}

std::size_t Affinity::size() {
  const std::lock_guard lock{mutex_};
  return visits_.size();
}

// Costs what it looks at, and is not due again before as many have come.
void Affinity::forget_old(Clock::time_point now) {
  std::erase_if(visits_, [&](const auto& item) { return now - item.second.at > timeout_; });
  if (visits_.size() >= kMostClients) {
    std::vector<Clock::time_point> times;
    times.reserve(visits_.size());
    for (const auto& [client, visit] : visits_) times.push_back(visit.at);
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::ranges::nth_element(times, middle);
    std::erase_if(visits_, [&](const auto& item) { return item.second.at < *middle; });
  }
  sweep_at_ = std::clamp<std::size_t>(visits_.size() * 2, 1024, kMostClients);
}

}  // namespace modes::userspace
