// How long changes took from the moment that caused them (a pod became ready) to being in force.
//
// Pure. Endpoint slices carry that moment in endpoints.kubernetes.io/last-change-trigger-time.
// Changes whose cause is older than this process are left out: they waited for us to start.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/sources/source.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace proxy::sync {

class ProgrammingLatency {
 public:
  using Time = std::chrono::system_clock::time_point;
  struct Sample {
    Family family = Family::v4;
    std::chrono::duration<double> latency{0};  // seconds
  };

  explicit ProgrammingLatency(Time process_start) : process_start_{process_start} {}

  // A slice that was added or changed.
  void changed(const records::EndpointSlice& slice) {
    if (slice.last_change_trigger && *slice.last_change_trigger > process_start_) {
      waiting_.push_back({slice.family, *slice.last_change_trigger});
    }
  }
  // A sync begins: it writes what has changed up to now.
  void sync_began() {
    in_flight_.insert(in_flight_.end(), waiting_.begin(), waiting_.end());
    waiting_.clear();
  }
  // It succeeded at `now`. After a failure nothing is called: the next sync takes the rest along.
  [[nodiscard]] std::vector<Sample> sync_succeeded(Time now) {
    std::vector<Sample> samples;
    samples.reserve(in_flight_.size());
    for (const auto& [family, trigger] : in_flight_) {
      // Clocks of two machines: what took less than they differ seems to have taken less than
      // nothing, and so does all after ours was set back.
      samples.push_back({family, std::max(now - trigger, Time::duration::zero())});
    }
    in_flight_.clear();
    return samples;
  }

 private:
  struct Trigger {
    Family family;
    Time time;
  };
  Time process_start_;
  std::vector<Trigger> waiting_;
  std::vector<Trigger> in_flight_;
};

}  // namespace proxy::sync
