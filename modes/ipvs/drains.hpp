// Real servers that are not wanted any more and still have connections.
//
// Pure; found anew at every start, among the real servers that nobody wants.
#pragma once

#include "modes/ipvs/ipvs_kernel.hpp"

#include <chrono>
#include <map>
#include <set>
#include <vector>

namespace modes::ipvs {

class Drains {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `limit`: how long connections may go on; 0: for ever.
  explicit Drains(std::chrono::seconds limit) : limit_{limit} {}

  // From now on this one drains, if it does not already.
  void begin(const VirtualServerKey& key, const Endpoint& endpoint, Time now) {
    draining_[key].emplace(endpoint, now);
  }
  // It is wanted again, or gone.
  void end(const VirtualServerKey& key, const Endpoint& endpoint);
  void end_all(const VirtualServerKey& key) { draining_.erase(key); }

  [[nodiscard]] bool contains(const VirtualServerKey& key, const Endpoint& endpoint) const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::vector<VirtualServerKey> servers() const;

  // Of those of one virtual server, the ones to be removed now: without connections, past their
  // time, or no more in the kernel (those are forgotten at once).
  [[nodiscard]] std::vector<Step> finished(const VirtualServerKey& key,
                                           const std::vector<ObservedRealServer>& seen, Time now);

 private:
  std::chrono::seconds limit_;
  std::map<VirtualServerKey, std::map<Endpoint, Time>> draining_;  // since when
};

}  // namespace modes::ipvs
