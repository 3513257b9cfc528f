// Removes what the iptables mode ever wrote, and nothing else.
#pragma once

#include "modes/mode.hpp"
#include "modes/netfilter/kernel.hpp"

namespace modes::iptables {

struct CleanupReport {
  std::size_t rules = 0;
  std::size_t chains = 0;
};

// What is to be done to a ruleset: every rule that bears our mark goes, unless it is a jump
// from a built-in chain and another proxy has filled the chains since; a chain goes when all its rules were
// ours and no rule of others jumps to it; built-in chains and tables go when we created them and
// nothing is left in them. Pure.
struct CleanupPlan {
  netfilter::Transaction transaction;
  CleanupReport report;
};
[[nodiscard]] CleanupPlan plan_cleanup(const netfilter::Observation& observation);

// Of which chains plan_cleanup() needs the rules one by one: all.
[[nodiscard]] inline bool cleanup_itemises(const netfilter::ChainKey& /*key*/) {
  return true;
}

[[nodiscard]] Awaitable<Result<CleanupReport>> cleanup(netfilter::Kernel& kernel);

}  // namespace modes::iptables
