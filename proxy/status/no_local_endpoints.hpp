// How many service ports have traffic of policy Local and no endpoint on this node for it, while
// there are endpoints elsewhere: kubeproxy_sync_proxy_rules_no_local_endpoints_total.
#pragma once

#include "proxy/state/service_port.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>

namespace proxy::status {

class NoLocalEndpoints {
 public:
  // kube-proxy's ipvs mode counts a Service once, however many of its ports are concerned.
  enum class Unit : std::uint8_t { service_port, service };
  struct Count {
    std::size_t internal = 0;
    std::size_t external = 0;
  };

  NoLocalEndpoints() = default;
  explicit NoLocalEndpoints(Unit unit) : unit_{unit} {}

  // Each service port at most once.
  void add(const state::ServicePortName& name, const state::ServicePort& port) {
    if (!port.local_endpoints.empty() || !port.has_any_endpoint) return;
    auto& family = of_family_.at(static_cast<std::size_t>(name.family));
    if (port.internal_policy == state::TrafficPolicy::local) family.internal.add(name, unit_);
    if (port.external_policy == state::TrafficPolicy::local && port.externally_accessible()) {
      family.external.add(name, unit_);
    }
  }

  [[nodiscard]] Count of(Family family) const {
    const auto& counted = of_family_.at(static_cast<std::size_t>(family));
    return {counted.internal.count, counted.external.count};
  }

 private:
  struct Counter {
    std::size_t count = 0;
    std::set<records::ObjectName> services;

    void add(const state::ServicePortName& name, Unit unit) {
      if (unit == Unit::service && !services.insert(name.service).second) return;
      ++count;
    }
  };
  struct OfFamily {
    Counter internal, external;
  };

  Unit unit_ = Unit::service_port;
  std::array<OfFamily, kFamilies.size()> of_family_;
};

}  // namespace proxy::status
