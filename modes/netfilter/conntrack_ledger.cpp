#include "modes/netfilter/conntrack_ledger.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace modes::netfilter {

using proxy::Protocol;
using proxy::state::ServicePort;
using proxy::state::ServicePortName;
using proxy::state::ServiceTable;

void ConntrackLedger::note(const ServiceTable& table, std::span<const ServicePortName> changed) {
  for (const auto& name : changed) set(name, table.find(name), false);
}

void ConntrackLedger::note_all(const ServiceTable& table) {
  std::vector<ServicePortName> gone;
  for (const auto& [name, service] : known_) {
    if (!table.find(name)) gone.push_back(name);
  }
  for (const auto& name : gone) set(name, nullptr, true);
  table.for_each([&](const auto& name, const auto& port) { set(name, &port, true); });
}

void ConntrackLedger::set(const ServicePortName& name, const ServicePort* port,
                          bool even_if_equal) {
  if (name.protocol != Protocol::udp) return;
  auto now = port ? udp_service(name.family, *port) : UdpService{};
  const auto known = known_.find(name);
  if (known != known_.end()) {
    if (port && known->second == now && !even_if_equal) return;
    std::ranges::set_difference(known->second.fronts, now.fronts,
                                std::inserter(noted_.given_up, noted_.given_up.end()));
  }
  if (port) {
    noted_.services.insert(name);
    known_.insert_or_assign(name, std::move(now));
  } else if (known != known_.end()) {
    known_.erase(known);
  }
}

void ConntrackLedger::Debt::add(Debt other) {
  services.merge(other.services);
  given_up.merge(other.given_up);
}

void ConntrackLedger::written() {
  owed_.add(std::exchange(noted_, {}));
}

std::vector<ConntrackRule> ConntrackLedger::take() {
  assert(taken_.empty());
  taken_ = std::exchange(owed_, {});
  std::vector<UdpService> now;
  for (const auto& name : taken_.services) {
    // One that went since has left its fronts among those given up.
    const auto known = known_.find(name);
    if (known != known_.end()) now.push_back(known->second);
  }
  const std::vector<UdpFront> given_up{taken_.given_up.begin(), taken_.given_up.end()};
  return conntrack_plan(now, given_up);
}

void ConntrackLedger::paid() {
  taken_ = {};
}

void ConntrackLedger::not_paid() {
  owed_.add(std::exchange(taken_, {}));
}

}  // namespace modes::netfilter
