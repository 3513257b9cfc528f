#include "modes/ipvs/cleanup.hpp"

#include "modes/ipvs/guard.hpp"
#include "modes/ipvs/ipvs_netlink.hpp"
#include "modes/ipvs/vip_link.hpp"

#include <net/if.h>
#include <unistd.h>

#include <utility>

namespace modes::ipvs {
namespace {

// Loaded, and in this network namespace.
bool kernel_has_ipvs() {
  return ::access("/proc/net/ip_vs", F_OK) == 0;
}

Awaitable<Result<std::size_t>> remove_servers(const Legacy& ours, const std::set<IpAddress>& vips) {
  if (!kernel_has_ipvs()) co_return std::size_t{0};
  auto ipvs = IpvsNetlink::open();
  if (!ipvs) co_return ipvs.error();
  const auto seen = co_await (*ipvs)->observe();
  if (!seen) co_return seen.error();
  std::vector<Step> steps;
  for (const auto& [key, server] : *seen) {
    if (ours.holds(key) || vips.contains(key.address)) steps.emplace_back(RemoveVirtualServer{key});
  }
  if (steps.empty()) co_return std::size_t{0};
  const auto refused = (*ipvs)->apply(steps);
  if (!refused) co_return refused.error();
  for (const auto& [step, error] : *refused) {
    if (error.code != std::errc::no_such_process) co_return error;
  }
  co_return steps.size();
}

class Successor final : public Mode {
 public:
  explicit Successor(std::unique_ptr<Mode> mode) : mode_{std::move(mode)} {}

  Awaitable<Result<SyncReport>> reconcile(const ServiceTable& wanted) override {
    auto report = co_await mode_->reconcile(wanted);
    if (!report || done_) co_return report;
    const auto cleaned = co_await cleanup();
    if (!cleaned) co_return within("remove what the ipvs mode left", cleaned.error());
    done_ = true;
    co_return report;
  }
  Awaitable<Result<SyncReport>> sync(const ServiceTable& wanted,
                                     std::span<const ServicePortName> changed) override {
    return mode_->sync(wanted, changed);
  }
  Awaitable<OutsideChange> outside_change() override { return mode_->outside_change(); }
  [[nodiscard]] std::vector<std::string> places(const ServicePortName& name) const override {
    return mode_->places(name);
  }
  Awaitable<std::vector<Traffic>> traffic(std::span<const ServicePortName> names) override {
    return mode_->traffic(names);
  }
  [[nodiscard]] std::vector<int> sockets_to_hand_over() const override {
    return mode_->sockets_to_hand_over();
  }
  void expect_successor() override { mode_->expect_successor(); }
  Awaitable<void> shut_down() override { return mode_->shut_down(); }
  [[nodiscard]] std::vector<Figure> figures() const override { return mode_->figures(); }

 private:
  std::unique_ptr<Mode> mode_;
  bool done_ = false;
};

}  // namespace

Awaitable<Result<CleanupReport>> cleanup() {
  CleanupReport report;
  auto guard = Guard::open(Settings{});
  if (!guard) co_return guard.error();
  const auto ours = guard->legacy();
  if (!ours) co_return ours.error();
  if (!ours->there) co_return report;
  auto link = VipLink::open();
  if (!link) co_return link.error();
  if (::if_nametoindex(kVipLink) != 0) {
    if (auto found = link->ensure(); !found) co_return found.error();
  }
  const auto addresses = link->addresses();
  if (!addresses) co_return addresses.error();
  report.addresses = addresses->vips.size();
  if (const auto removed = link->remove(); !removed) co_return removed.error();
  const auto servers = co_await remove_servers(*ours, addresses->vips);
  if (!servers) co_return servers.error();
  report.virtual_servers = *servers;
  // Last: while it stands, whoever comes after an interruption knows what was ours.
  const auto guarded = guard->remove_all();
  if (!guarded) co_return guarded.error();
  report.guard = *guarded;
  co_return report;
}

std::unique_ptr<Mode> succeeding_ipvs(std::unique_ptr<Mode> mode) {
  return std::make_unique<Successor>(std::move(mode));
}

}  // namespace modes::ipvs
