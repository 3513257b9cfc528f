// Which endpoint a client's earlier connections went to (sessionAffinity ClientIP).
//
// One per service port that asks for it, shared by all workers: a client's connections reach any of
// them. So it is guarded, unlike all else that connections touch; services without affinity have
// none. Lives on through changes of the service.
#pragma once

#include "proxy/state/endpoint_list.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace modes::userspace {

using proxy::IpAddress;
using proxy::state::Endpoint;
using Clock = std::chrono::steady_clock;

class Affinity {
 public:
  explicit Affinity(std::chrono::seconds timeout) : timeout_{timeout} {}

  // Where the client went last, unless that was longer ago than the time-out.
  [[nodiscard]] std::optional<Endpoint> find(const IpAddress& client, Clock::time_point now);
  // It went there now.
  void remember(const IpAddress& client, const Endpoint& endpoint, Clock::time_point now);
  // Of connections from now on and of those remembered.
  void set_timeout(std::chrono::seconds timeout);

  [[nodiscard]] std::size_t size();

 private:
  // Beyond this many clients the ones that were not heard of for longest are forgotten.
  static constexpr std::size_t kMostClients = 65536;

  struct Visit {
    Endpoint endpoint;
    Clock::time_point at;
  };
  void forget_old(Clock::time_point now);

  std::mutex mutex_;  // guards all below
  std::chrono::seconds timeout_;
  std::unordered_map<IpAddress, Visit> visits_;
  std::size_t sweep_at_ = 1024;  // size at which those that are over are looked for
};

}  // namespace modes::userspace
