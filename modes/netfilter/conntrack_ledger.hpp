// Remembers the UDP service ports as the kernel was told of them, and which of them changed since
// their flows were last looked at.
//
// Pure. The rules in the kernel change first; stale flows go afterwards, not always at once (walks
// of the kernel's table are rationed) and not always with success. What is owed adds up here.
#pragma once

#include "modes/netfilter/conntrack_plan.hpp"
#include "proxy/state/service_table.hpp"

#include <map>
#include <set>
#include <span>
#include <vector>

namespace modes::netfilter {

class ConntrackLedger {
 public:
  // These service ports are about to be written as `table` has them now. Call it when that is
  // planned, for the table may have gone on by the time it is done. Others than UDP don't matter,
  // nor does what no flow depends on: traffic policies, readiness, annotations.
  void note(const proxy::state::ServiceTable& table,
            std::span<const proxy::state::ServicePortName> changed);
  // The same of all there are and all there were, changed or not: at the start, when what flows
  // there are is anybody's guess, and whenever the kernel was reconciled.
  void note_all(const proxy::state::ServiceTable& table);

  // What was noted is written, and from now on owed: to clean up earlier would let the old rules
  // make the same flows again.
  void written();

  [[nodiscard]] bool owes() const { return !owed_.empty(); }

  // The rules that pay all that is owed. Exactly one of paid() and not_paid() has to follow, before
  // the next take(); what is written in between is owed anew.
  [[nodiscard]] std::vector<ConntrackRule> take();
  void paid();
  void not_paid();

 private:
  struct Debt {
    std::set<proxy::state::ServicePortName> services;
    std::set<UdpFront> given_up;

    [[nodiscard]] bool empty() const { return services.empty() && given_up.empty(); }
    void add(Debt other);
  };
  void set(const proxy::state::ServicePortName& name, const proxy::state::ServicePort* port,
           bool even_if_equal);

  std::map<proxy::state::ServicePortName, UdpService> known_;
  Debt noted_;
  Debt owed_;
  Debt taken_;
};

}  // namespace modes::netfilter
