#include "modes/ipvs/ruleset.hpp"

namespace modes::ipvs {

using netfilter::CommitResult;

Error changed_under_us() {
  return proxy::system_error(EAGAIN, "somebody else changed what is ours");
}

Result<Ruleset> Ruleset::open(const Settings& settings) {
  auto guard = Guard::open(settings);
  if (!guard) return guard.error();
  auto kernel = netfilter::NetlinkKernel::open();
  if (!kernel) return kernel.error();
  if (auto generation = kernel->generation(); !generation) return generation.error();
  auto monitor = netfilter::RulesetMonitor::open(&is_filter_chain, kGuardTable);
  if (!monitor) return monitor.error();
  return Ruleset{settings, std::move(*guard), std::move(*kernel), std::move(*monitor)};
}

bool Ruleset::changed() {
  monitor_.drain();
  return monitor_.changed();
}

std::optional<OutsideChange> Ruleset::take_change() {
  monitor_.drain();
  auto change = monitor_.take();
  if (change) guard_intact_ = false;
  return change;
}

// Runs `commit` while notifications, which would be about ourselves, are off. Fails when others
// have committed something meanwhile.
template <class Commit>
auto Ruleset::write(Commit commit) -> decltype(commit()) {
  const auto before = kernel_.generation();
  if (!before) return before.error();
  if (monitor_.listening() && changed()) return changed_under_us();
  monitor_.pause();
  auto done = commit();
  if (!done) {
    guard_intact_ = false;
    return done;
  }
  if (auto resumed = monitor_.resume(); !resumed) return resumed.error();
  const auto after = kernel_.generation();
  if (!after) return after.error();
  if (*after != *before && *after != *before + 1) {
    guard_intact_ = false;
    return changed_under_us();
  }
  return done;
}

Result<std::size_t> Ruleset::rebuild_guard(const Holdings& holdings, const NodeFacts& node) {
  auto done = write([&] { return guard_.rebuild(holdings, node); });
  if (done) guard_intact_ = true;
  return done;
}

Result<std::size_t> Ruleset::add_to_guard(const GuardChanges& changes) {
  if (changes.size() == 0) return std::size_t{0};
  return write([&] { return guard_.add(changes); });
}

Result<std::size_t> Ruleset::remove_from_guard(const GuardChanges& changes) {
  if (changes.size() == 0) return std::size_t{0};
  return write([&] { return guard_.remove(changes); });
}

Awaitable<Result<std::size_t>> Ruleset::write_filter_chains(HealthPorts health) {
  auto seen = co_await kernel_.observe([](const netfilter::ChainKey&) { return true; });
  if (!seen) co_return seen.error();
  const auto transaction = plan_filter_chains(*seen, settings_, health);
  if (transaction.empty()) co_return std::size_t{0};
  co_return write([&]() -> Result<std::size_t> {
    const auto done = kernel_.commit(transaction, seen->generation);
    if (!done) return done.error();
    if (done->kind == CommitResult::Kind::stale) return changed_under_us();
    if (done->kind == CommitResult::Kind::refused) {
      return within("write chains of the table filter", done->refused.front().error);
    }
    return transaction.size();
  });
}

}  // namespace modes::ipvs
