// All that the mode has in nf_tables, the guard (guard.hpp) and what stands in iptables' table
// `filter` (filter_chains.hpp), and notice of others' changes to it.
//
// Every write is checked by the ruleset's generation: an Error of EAGAIN says that others have
// changed something meanwhile, and everything has to be looked at anew.
#pragma once

#include "modes/ipvs/filter_chains.hpp"
#include "modes/ipvs/guard.hpp"
#include "modes/netfilter/kernel_netlink.hpp"
#include "modes/netfilter/ruleset_monitor.hpp"

#include <optional>

namespace modes::ipvs {

// "Somebody else changed what is ours", EAGAIN.
[[nodiscard]] Error changed_under_us();

class Ruleset {
 public:
  // In the network namespace of the calling thread. Fails where the kernel has no nf_tables.
  [[nodiscard]] static Result<Ruleset> open(const Settings& settings);

  // Readable when somebody has changed something.
  [[nodiscard]] int fd() const { return monitor_.fd(); }
  // Reads the notifications that wait: is there one about us that nobody has taken yet?
  [[nodiscard]] bool changed();
  // The same, and takes it. The guard does not count as intact any more.
  [[nodiscard]] std::optional<OutsideChange> take_change();

  [[nodiscard]] Result<Legacy> legacy() { return guard_.legacy(); }

  // Does the kernel have the guard that we last wrote?
  [[nodiscard]] bool guard_intact() const { return guard_intact_; }
  void distrust_guard() { guard_intact_ = false; }
  // These return the number of messages. The second and third require an intact guard.
  [[nodiscard]] Result<std::size_t> rebuild_guard(const Holdings& holdings, const NodeFacts& node);
  [[nodiscard]] Result<std::size_t> add_to_guard(const GuardChanges& changes);
  [[nodiscard]] Result<std::size_t> remove_from_guard(const GuardChanges& changes);
  // What the kernel could not do of the guard; empty: nothing.
  [[nodiscard]] const std::vector<std::string>& limits() const { return guard_.limits(); }

  // Brings the table `filter` to what plan_filter_chains() says; likewise.
  [[nodiscard]] Awaitable<Result<std::size_t>> write_filter_chains(HealthPorts health);

 private:
  Ruleset(const Settings& settings, Guard guard, netfilter::NetlinkKernel kernel,
          netfilter::RulesetMonitor monitor)
      : settings_{settings},
        guard_{std::move(guard)},
        kernel_{std::move(kernel)},
        monitor_{std::move(monitor)} {}

  template <class Commit>
  auto write(Commit commit) -> decltype(commit());

  Settings settings_;
  Guard guard_;
  netfilter::NetlinkKernel kernel_;
  netfilter::RulesetMonitor monitor_;
  bool guard_intact_ = false;
};

}  // namespace modes::ipvs
