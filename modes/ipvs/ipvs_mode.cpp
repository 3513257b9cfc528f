#include "modes/ipvs/ipvs_mode.hpp"

#include "modes/ipvs/ipvs_netlink.hpp"
#include "modes/ipvs/machine.hpp"
#include "modes/ipvs/ruleset.hpp"
#include "modes/ipvs/server_sync.hpp"
#include "modes/ipvs/traffic.hpp"
#include "modes/ipvs/traffic_reader.hpp"
#include "modes/ipvs/vip_link.hpp"
#include "modes/ipvs/wishes.hpp"
#include "modes/netfilter/conntrack_cleaner.hpp"
#include "modes/netfilter/joint_watch.hpp"
#include "modes/netfilter/sysctl.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <iterator>

namespace modes::ipvs {
namespace {

namespace asio = boost::asio;

constexpr int kAttempts = 20;
constexpr std::chrono::seconds kDrainLook{10};

struct Parts {
  std::unique_ptr<IpvsNetlink> ipvs;
  VipLink link;
  Ruleset ruleset;
  proxy::UniqueFd watched;
  std::unique_ptr<netfilter::ConntrackCleaner> stale_flows;
};

class IpvsMode final : public Mode {
 public:
  IpvsMode(asio::any_io_executor executor, Settings settings, Parts parts,
           std::shared_ptr<std::vector<IpAddress>> node_addresses,
           std::function<void(const std::string&)> advise)
      : settings_{std::move(settings)},
        advise_{std::move(advise)},
        ipvs_{std::move(parts.ipvs)},
        link_{std::move(parts.link)},
        ruleset_{std::move(parts.ruleset)},
        watched_{executor, parts.watched.release()},
        stale_flows_{std::move(parts.stale_flows)},
        node_addresses_{std::move(node_addresses)},
        drain_look_{executor},
        wishes_{settings_, advise_},
        servers_{*ipvs_, settings_.drain_limit, [] { return std::chrono::steady_clock::now(); },
                 advise_} {}

  Awaitable<Result<SyncReport>> reconcile(const ServiceTable& wanted) override {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      working_ = true;
      auto report = co_await reconcile_once(wanted);
      working_ = false;
      if (!report) ruleset_.distrust_guard();  // perhaps only part of it was written
      if (report || report.error().code != std::errc::resource_unavailable_try_again) {
        co_return report;
      }
    }
    co_return proxy::system_error(EAGAIN, "reconcile: others never stopped changing what is ours");
  }

  Awaitable<Result<SyncReport>> sync(const ServiceTable& wanted,
                                     std::span<const ServicePortName> changed) override {
    if (ruleset_.changed() || !in_force_) co_return changed_under_us();
    in_force_ = false;
    stale_flows_->note(wanted, changed);
    bool health_changed = false;
    auto report = sync_now(wanted, changed, health_changed);
    if (report && health_changed) {
      const auto filtered = co_await ruleset_.write_filter_chains(health_ports(wishes_.holdings()));
      if (filtered) {
        report->operations += *filtered;
      } else {
        report = filtered.error();
      }
    }
    in_force_ = report.has_value();
    if (report) {
      stale_flows_->written();
    } else {
      ruleset_.distrust_guard();  // perhaps only part of it was written
    }
    co_return report;
  }

  Awaitable<OutsideChange> outside_change() override {
    for (;;) {
      if (auto change = look_around()) {
        in_force_ = false;
        co_return std::move(*change);
      }
      boost::system::error_code error;
      co_await watched_.async_wait(asio::posix::stream_descriptor::wait_read,
                                   asio::redirect_error(asio::use_awaitable, error));
      if (error) throw boost::system::system_error{error};  // cancelled
    }
  }

  [[nodiscard]] std::vector<std::string> places(const ServicePortName& name) const override {
    std::vector<std::string> out;
    for (const auto& key : wishes_.holdings().servers_of(name))
      out.push_back("virtual server " + key.text());
    return out;
  }

  Awaitable<std::vector<Traffic>> traffic(std::span<const ServicePortName> names) override {
    return traffic_reader_.read(wishes_.holdings(), names);
  }

  Awaitable<void> shut_down() override {
    drain_look_.cancel();
    stopping_ = true;
    co_return;
  }

  [[nodiscard]] std::vector<Figure> figures() const override {
    std::vector<Figure> out;
    out.push_back(
        {"viaduct_ipvs_virtual_servers", {}, static_cast<double>(servers_.virtual_servers())});
    out.push_back(
        {"viaduct_ipvs_draining_real_servers", {}, static_cast<double>(servers_.drains().size())});
    traffic_.append_to(out);
    std::ranges::move(stale_flows_->figures(), std::back_inserter(out));
    return out;
  }

  // Removes real servers when their last connection has ended. Ends when the mode shuts down.
  static Awaitable<void> drain(IpvsMode& self) {
    while (!self.stopping_) {
      boost::system::error_code cancelled;
      self.drain_look_.expires_after(kDrainLook);
      co_await self.drain_look_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
      if (cancelled) co_return;
      if (self.working_ || !self.in_force_) continue;
      // What fails here a reconcile will find.
      if (const auto looked = self.servers_.look_after_drains(); !looked) self.in_force_ = false;
    }
  }

 private:
  // ── what others do ──────────────────────────────────────────────────────────────────────────
  std::optional<OutsideChange> look_around() {
    if (auto change = ruleset_.take_change()) return change;
    const auto news = link_.news();
    if (news.vips)
      return OutsideChange{OutsideChange::Kind::tampering, 0, "somebody at kube-ipvs0"};
    if (news.node_addresses) {
      const auto now = link_.addresses();
      if (now && now->others != facts_.addresses) {
        return OutsideChange{OutsideChange::Kind::node_addresses, 0, {}};
      }
    }
    return std::nullopt;
  }

  // ── carrying out ────────────────────────────────────────────────────────────────────────────
  Result<NodeFacts> node_facts(const ServiceTable& wanted, std::vector<IpAddress> addresses) const {
    NodeFacts facts;
    facts.addresses = std::move(addresses);
    facts.primary_ips = wanted.primary_ips();
    if (const auto* node = wanted.node()) facts.pod_cidrs = node->pod_cidrs;
    return facts;
  }

  void set_parameters() {
    for (const auto& [name, value] : kernel_parameters(settings_, kernel_release())) {
      const auto written = netfilter::write_sysctl(name, value);
      if (!written && told_.insert(name).second) {
        advise_(written.error().text() + "; it stays as it is");
      }
    }
    if (const auto set = ipvs_->set_timeouts(settings_); !set && told_.insert("timeouts").second) {
      advise_(set.error().text() + "; they stay as they are");
    }
  }

  // Virtual servers there are ours: made by us, by an earlier process of ours, or, where none was,
  // by whatever proxied here before.
  [[nodiscard]] bool is_ours(const VirtualServerKey& key, const std::set<IpAddress>& vips) const {
    if (servers_.has(key)) return true;
    if (reconciled_ || is_excluded(key.address)) return false;
    return !legacy_.there || legacy_.holds(key) || vips.contains(key.address);
  }
  [[nodiscard]] bool is_excluded(const IpAddress& ip) const {
    return std::ranges::any_of(settings_.exclude_cidrs,
                               [&](const IpPrefix& cidr) { return cidr.contains(ip); });
  }

  Awaitable<Result<SyncReport>> reconcile_once(const ServiceTable& wanted) {
    in_force_ = false;
    if (auto linked = link_.ensure(); !linked) co_return linked.error();
    auto addresses = link_.addresses();
    if (!addresses) co_return addresses.error();
    auto seen = co_await ipvs_->observe();
    if (!seen) co_return seen.error();
    set_parameters();
    if (!reconciled_) {
      auto legacy = ruleset_.legacy();
      if (!legacy) co_return legacy.error();
      legacy_ = std::move(*legacy);
    }
    (void)link_.news();
    auto facts = node_facts(wanted, std::move(addresses->others));
    if (!facts) co_return facts.error();
    if (*facts != facts_) {
      facts_ = std::move(*facts);
      *node_addresses_ = facts_.addresses;
      ruleset_.distrust_guard();
    }
    const auto servers = wishes_.hold_all(wanted, facts_);
    servers_.observe(
        *seen, servers, [&](const VirtualServerKey& key) { return is_ours(key, addresses->vips); },
        reconciled_ ? ServerSync::Weights::left : ServerSync::Weights::restored);
    stale_flows_->note_all(wanted);
    auto report = write_all(servers, addresses->vips);
    if (!report) co_return report;
    auto filtered = co_await ruleset_.write_filter_chains(health_ports(wishes_.holdings()));
    if (!filtered) co_return filtered.error();
    report->operations += *filtered;
    report->transactions += *filtered == 0 ? 0 : 1;
    traffic_.update(*seen, wishes_.holdings());
    stale_flows_->written();
    reconciled_ = true;
    legacy_ = {};
    in_force_ = true;
    co_return report;
  }

  // What leaves packets alone comes last, and goes first: a VIP is an address of this machine only
  // while its virtual server and its guard are there.
  Result<SyncReport> write_all(const VirtualServers& servers, const std::set<IpAddress>& vips) {
    const auto changes = GuardChanges::take_from(wishes_.holdings());
    const bool rebuild = !ruleset_.guard_intact();
    SyncReport report;
    const auto count = [&](std::size_t operations) {
      report.operations += operations;
      report.transactions += operations == 0 ? 0 : 1;
    };
    const auto guarded = rebuild ? rebuild_guard() : ruleset_.add_to_guard(changes);
    if (!guarded) return guarded.error();
    count(*guarded);

    std::set<IpAddress> wanted;
    wishes_.holdings().addresses.for_each(
        [&](const IpAddress& ip, std::monostate) { wanted.insert(ip); });
    std::vector<IpAddress> gone, come;
    std::ranges::set_difference(vips, wanted, std::back_inserter(gone));
    std::ranges::set_difference(wanted, vips, std::back_inserter(come));
    if (auto done = link_.change(gone, {}); !done) return done.error();
    const auto steps = servers_.change_all(servers, wishes_.holdings());
    if (!steps) return moved(steps.error());
    count(*steps);
    if (auto done = link_.change({}, come); !done) return done.error();
    report.operations += gone.size() + come.size();
    if (!rebuild) {
      const auto removed = ruleset_.remove_from_guard(changes);
      if (!removed) return removed.error();
      count(*removed);
    }
    report.set_aside = servers_.set_aside();
    return report;
  }

  // Says if ports of health checks came or went, too.
  Result<SyncReport> sync_now(const ServiceTable& wanted, std::span<const ServicePortName> changed,
                              bool& health_changed) {
    const auto [keys, servers] = wishes_.hold(wanted, changed, facts_);
    const auto changes = GuardChanges::take_from(wishes_.holdings());
    health_changed = std::ranges::any_of(changes.node_ports, [](const auto& change) {
      return change.before == Fate::health || change.after == Fate::health;
    });
    SyncReport report;
    const auto count = [&](std::size_t operations) {
      report.operations += operations;
      report.transactions += operations == 0 ? 0 : 1;
    };
    const auto added = ruleset_.add_to_guard(changes);
    if (!added) return added.error();
    count(*added);
    std::vector<IpAddress> gone, come;
    for (const auto& [ip, before, after] : changes.addresses) {
      if (before && !after) gone.push_back(ip);
      if (!before && after) come.push_back(ip);
    }
    if (auto done = link_.change(gone, {}); !done) return done.error();
    const auto steps = servers_.change(changed, keys, servers, wishes_.holdings());
    if (!steps) return moved(steps.error());
    count(*steps);
    if (auto done = link_.change({}, come); !done) return done.error();
    report.operations += gone.size() + come.size();
    const auto removed = ruleset_.remove_from_guard(changes);
    if (!removed) return removed.error();
    count(*removed);
    report.set_aside = servers_.set_aside();
    return report;
  }

  // Servers that are there, or not, against our expectation: read them anew.
  static Error moved(Error error) {
    const auto code = error.code.value();
    if (code != EEXIST && code != ENOENT && code != ESRCH) return error;
    return proxy::system_error(EAGAIN, error.text());
  }

  Result<std::size_t> rebuild_guard() {
    auto done = ruleset_.rebuild_guard(wishes_.holdings(), facts_);
    if (!done) return done;
    for (const auto& limit : ruleset_.limits()) {
      if (told_.insert(limit).second) advise_(limit);
    }
    return done;
  }

  Settings settings_;
  std::function<void(const std::string&)> advise_;
  std::unique_ptr<IpvsNetlink> ipvs_;
  VipLink link_;
  Ruleset ruleset_;
  asio::posix::stream_descriptor watched_;
  std::unique_ptr<netfilter::ConntrackCleaner> stale_flows_;
  std::shared_ptr<std::vector<IpAddress>> node_addresses_;  // the cleaner asks for them
  asio::steady_timer drain_look_;
  bool stopping_ = false;

  NodeFacts facts_;
  Wishes wishes_;
  ServerSync servers_;
  TrafficFigures traffic_;
  TrafficReader traffic_reader_{[]() -> Result<std::unique_ptr<IpvsKernel>> {
    auto ipvs = IpvsNetlink::open();
    if (!ipvs) return ipvs.error();
    return std::unique_ptr<IpvsKernel>{std::move(*ipvs)};
  }};
  Legacy legacy_;
  bool reconciled_ = false;     // once, since the start
  bool in_force_ = false;       // the kernel has all that was last wanted
  bool working_ = false;        // reconcile() is under way
  std::set<std::string> told_;  // what advise_ was told of once and for all
};

}  // namespace

Result<void> check_kernel() {
  auto ipvs = IpvsNetlink::open();
  if (!ipvs) return ipvs.error();
  return (*ipvs)->find_family();
}

Result<std::unique_ptr<Mode>> make_ipvs_mode(asio::any_io_executor executor, Settings settings,
                                             std::function<void(const std::string&)> advise) {
  auto ipvs = IpvsNetlink::open();
  if (!ipvs) return ipvs.error();
  if (auto found = (*ipvs)->find_family(); !found) return found.error();
  auto link = VipLink::open();
  if (!link) return link.error();
  auto ruleset = Ruleset::open(settings);
  if (!ruleset) return ruleset.error();
  auto watched = netfilter::watch_jointly({ruleset->fd(), link->news_fd()});
  if (!watched) return watched.error();
  auto node_addresses = std::make_shared<std::vector<IpAddress>>();
  auto stale_flows = netfilter::ConntrackCleaner::open(
      executor, {.node_addresses = [node_addresses] { return *node_addresses; },
                 .report = netfilter::ConntrackCleaner::failures_to(advise)});
  if (!stale_flows) return stale_flows.error();
  auto mode =
      std::make_unique<IpvsMode>(executor, std::move(settings),
                                 Parts{std::move(*ipvs), std::move(*link), std::move(*ruleset),
                                       std::move(*watched), std::move(*stale_flows)},
                                 std::move(node_addresses), std::move(advise));
  asio::co_spawn(executor, IpvsMode::drain(*mode), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  return std::unique_ptr<Mode>{std::move(mode)};
}

}  // namespace modes::ipvs
