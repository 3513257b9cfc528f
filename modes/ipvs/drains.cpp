#include "modes/ipvs/drains.hpp"

#include <algorithm>

namespace modes::ipvs {

void Drains::end(const VirtualServerKey& key, const Endpoint& endpoint) {
  const auto it = draining_.find(key);
  if (it == draining_.end()) return;
  it->second.erase(endpoint);
  if (it->second.empty()) draining_.erase(it);
}

bool Drains::contains(const VirtualServerKey& key, const Endpoint& endpoint) const {
  const auto it = draining_.find(key);
  return it != draining_.end() && it->second.contains(endpoint);
}

std::size_t Drains::size() const {
  std::size_t sum = 0;
  for (const auto& [key, endpoints] : draining_) sum += endpoints.size();
  return sum;
}

std::vector<VirtualServerKey> Drains::servers() const {
  std::vector<VirtualServerKey> out;
  for (const auto& [key, endpoints] : draining_) out.push_back(key);
  return out;
}

std::vector<Step> Drains::finished(const VirtualServerKey& key,
                                   const std::vector<ObservedRealServer>& seen, Time now) {
  std::vector<Step> out;
  const auto it = draining_.find(key);
  if (it == draining_.end()) return out;
  std::vector<Endpoint> gone;
  for (const auto& [endpoint, since] : it->second) {
    const auto real = std::ranges::find(
        seen, endpoint, [](const ObservedRealServer& one) { return one.server.endpoint; });
    const bool overdue = limit_.count() > 0 && now - since >= limit_;
    if (real == seen.end()) {
      gone.push_back(endpoint);
    } else if (!real->busy() || overdue) {
      out.emplace_back(RemoveRealServer{key, endpoint});
    }
  }
  for (const auto& endpoint : gone) end(key, endpoint);
  return out;
}

}  // namespace modes::ipvs
