#include "modes/userspace/tallies.hpp"

#include <algorithm>

namespace modes::userspace {

struct Tallies::OfService {
  struct OfEndpoint {
    Endpoint endpoint;
    std::unique_ptr<Tally> tally;  // shares point to it
  };

  [[nodiscard]] Tally& at(const Endpoint& endpoint) {
    const auto it = std::ranges::lower_bound(endpoints, endpoint, {}, &OfEndpoint::endpoint);
    if (it != endpoints.end() && it->endpoint == endpoint) return *it->tally;
    return *endpoints.insert(it, {endpoint, std::make_unique<Tally>()})->tally;
  }
  [[nodiscard]] bool is_idle() const {
    return attempts == 0 &&
           std::ranges::all_of(endpoints, [](const auto& one) { return one.tally->open == 0; });
  }
  // Of the others that nobody is connected to the sum is kept.
  void keep_endpoints_of(const Service& service) {
    std::erase_if(endpoints, [&](const OfEndpoint& one) {
      if (one.tally->open != 0 || service.has(one.endpoint)) return false;
      left += *one.tally;
      return true;
    });
  }

  std::shared_ptr<const ServicePortName> name;  // keeps its address from being used again
  std::uint64_t connections = 0;
  std::uint64_t refused = 0;
  std::uint64_t attempts = 0;  // under way
  Tally left;                  // of endpoints that are no more
  std::vector<OfEndpoint> endpoints;
};

// ── attempts ────────────────────────────────────────────────────────────────────────────────────

Tallies::Attempt::Attempt(OfService& of) : of_{&of} {
  ++of.connections;
  ++of.attempts;
}

Tallies::Attempt::~Attempt() {
  if (of_ != nullptr) --of_->attempts;
}

void Tallies::Attempt::missed(const Endpoint& endpoint) {
  ++of_->at(endpoint).refused;
}

Share Tallies::Attempt::connected(const Endpoint& endpoint) {
  return Share{of_->at(endpoint)};
}

void Tallies::Attempt::refuse() {
  ++of_->refused;
}

// ── all of them ─────────────────────────────────────────────────────────────────────────────────

Tallies::Tallies() = default;
Tallies::~Tallies() = default;

Tallies::OfService& Tallies::at(const Service& service) {
  auto& of = services_[service.identity().get()];
  if (!of) {
    of = std::make_unique<OfService>();
    of->name = service.identity();
  }
  return *of;
}

Tallies::Attempt Tallies::begin(const Service& service) {
  return Attempt{at(service)};
}

void Tallies::refused_datagrams(const Service& service, std::uint64_t count) {
  at(service).refused += count;
}

Share Tallies::move(const Service& service, const Endpoint& to) {
  return Share{at(service).at(to)};
}

void Tallies::missed(const Service& service, const Endpoint& endpoint) {
  ++at(service).at(endpoint).refused;
}

void Tallies::replace(const Service& service, const Service* by) {
  sweep();
  const auto it = services_.find(service.identity().get());
  if (it == services_.end()) return;
  if (by != nullptr && by->identity() == service.identity()) {
    return it->second->keep_endpoints_of(*by);
  }
  if (!it->second->is_idle()) lingering_.push_back(std::move(it->second));
  services_.erase(it);
}

void Tallies::sweep() {
  std::erase_if(lingering_, [](const auto& of) { return of->is_idle(); });
}

ServiceTally Tallies::of(const Service& service) const {
  ServiceTally out;
  const auto it = services_.find(service.identity().get());
  if (it == services_.end()) return out;
  const auto& of = *it->second;
  out.total = of.left;
  out.endpoints.reserve(of.endpoints.size());
  for (const auto& [endpoint, tally] : of.endpoints) {
    out.total += *tally;
    out.endpoints.emplace_back(endpoint, *tally);
  }
  // Its own: a connection may have been refused by many endpoints, or by none.
  out.total.connections = of.connections;
  out.total.refused = of.refused;
  out.total.open += of.attempts;
  return out;
}

}  // namespace modes::userspace
