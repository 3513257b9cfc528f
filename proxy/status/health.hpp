// Is this proxy doing its work? What /healthz and /livez answer.
//
// Pure. kube-proxy's rules ("proxyHealth" in tests/conformance/healthcheck.yaml): a family is
// unhealthy while its oldest unwritten change is older than the time-out; nothing unwritten means
// healthy, however long ago the last sync was. Stricter in one point: /healthz is not 200 before
// the first sync is in force, so that nobody sends traffic to a node that cannot forward it. /livez
// is 200 while starting, as kube-proxy's: a restart would not help.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/records/objects.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace proxy::status {

// One moment on both clocks: spans are measured on the steady one, times shown on the other.
struct Moment {
  std::chrono::steady_clock::time_point steady;
  std::chrono::system_clock::time_point wall;

  static Moment now() {
    return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
  }
};

struct HealthReply {
  bool good = false;  // 200, else 503
  std::string body;   // JSON
};

class Health {
 public:
  // `timeout`: twice the sync period. `node_required`: /healthz waits for this node's Node object;
  // a source that need not have one is served without.
  Health(std::chrono::nanoseconds timeout, bool node_required)
      : timeout_{timeout}, node_required_{node_required} {}

  void queued(Family family, Moment at);   // a change that is to be written
  void began(Family family);               // all that is queued is being written
  void updated(Family family, Moment at);  // what was being written is in force
  // This node's Node object. Once it is gone the last one seen counts.
  void node_seen(const records::Node& node);

  // The records that are forwarded by are from an earlier time, since their source is away;
  // nullopt: they are up to date. Shown, and no reason to be called unhealthy: the node forwards.
  void records_as_of(std::optional<std::chrono::system_clock::time_point> time) { as_of_ = time; }

  // No change overdue; what the health checks of services call serviceProxyHealthy.
  [[nodiscard]] bool is_healthy(Moment now) const;
  [[nodiscard]] bool is_synced() const { return !updated_.empty(); }
  // Not about to be taken away by the autoscaler or deleted.
  [[nodiscard]] bool node_eligible() const { return node_eligible_.value_or(!node_required_); }

  [[nodiscard]] HealthReply healthz(Moment now) const;
  [[nodiscard]] HealthReply livez(Moment now) const;

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  enum class Eligibility : std::uint8_t { shown, left_out };

  [[nodiscard]] bool is_healthy(Family family, Moment now) const;
  [[nodiscard]] std::string body(bool good, Moment now, Eligibility eligibility) const;

  std::chrono::nanoseconds timeout_;
  bool node_required_;
  std::optional<bool> node_eligible_;
  std::optional<std::chrono::system_clock::time_point> as_of_;
  std::map<Family, SteadyTime> queued_;   // oldest change that no sync has taken up
  std::map<Family, SteadyTime> writing_;  // oldest change that a sync has taken up
  std::map<Family, std::chrono::system_clock::time_point> updated_;
};

// RFC 3339 in UTC with nanoseconds, as Go writes it: no trailing zeros in the fraction.
[[nodiscard]] std::string rfc3339(std::chrono::system_clock::time_point time);

}  // namespace proxy::status
