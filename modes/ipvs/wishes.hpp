// What the service ports of a table want of this node: their virtual servers, computed when they
// are asked for, and all else, held.
//
// Pure. Where two service ports want the same VIP it is of whoever had it first.
#pragma once

#include "modes/ipvs/holdings.hpp"
#include "proxy/state/service_table.hpp"

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>

namespace modes::ipvs {

using proxy::state::ServiceTable;

class Wishes {
 public:
  // `advise` is told of annotations that say nothing sensible, once of each.
  Wishes(const Settings& settings, std::function<void(const std::string&)> advise)
      : settings_{settings}, advise_{std::move(advise)} {}

  // Notes what all service ports want, and returns their virtual servers.
  [[nodiscard]] VirtualServers hold_all(const ServiceTable& wanted, const NodeFacts& node);

  // The same for some of them.
  struct Some {
    std::set<VirtualServerKey> keys;  // all that they want or wanted
    VirtualServers servers;           // of these the ones that there should be
  };
  [[nodiscard]] Some hold(const ServiceTable& wanted, std::span<const ServicePortName> changed,
                          const NodeFacts& node);

  [[nodiscard]] Holdings& holdings() { return holdings_; }
  [[nodiscard]] const Holdings& holdings() const { return holdings_; }

 private:
  [[nodiscard]] Forwarding forwarding(const ServicePortName& name,
                                      const proxy::state::ServicePort& port, const NodeFacts& node);
  void drop(const ServicePortName& name);

  const Settings& settings_;
  std::function<void(const std::string&)> advise_;
  Holdings holdings_;
  std::map<ServicePortName, std::string> complaints_;
};

}  // namespace modes::ipvs
