#include "modes/iptables/iptables_mode.hpp"

#include "modes/iptables/planner.hpp"
#include "modes/iptables/traffic.hpp"
#include "modes/netfilter/conntrack_cleaner.hpp"
#include "modes/netfilter/joint_watch.hpp"
#include "modes/netfilter/kernel_netlink.hpp"
#include "modes/netfilter/node_addresses.hpp"
#include "modes/netfilter/ruleset_monitor.hpp"
#include "modes/netfilter/sysctl.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <iterator>

namespace modes::iptables {
namespace {

namespace asio = boost::asio;
using netfilter::CommitResult;

// Of netlink in one transaction of a large load: some thousand rules, tens of milliseconds.
constexpr std::size_t kTransactionBytes = 2 * 1024 * 1024;
// How often a transaction is planned anew because others commit all the time, or operations of it
// are refused.
constexpr int kAttempts = 50;

Error changed_under_us() {
  return proxy::system_error(EAGAIN, "somebody else changed our rules");
}

class IptablesMode final : public Mode {
 public:
  IptablesMode(asio::any_io_executor executor, Settings settings, std::vector<Family> families,
               netfilter::NetlinkKernel kernel, netfilter::RulesetMonitor monitor,
               netfilter::NodeAddresses addresses, proxy::UniqueFd watched,
               std::unique_ptr<netfilter::ConntrackCleaner> stale_flows)
      : settings_{settings},
        families_{families},
        kernel_{std::move(kernel)},
        monitor_{std::move(monitor)},
        addresses_{std::move(addresses)},
        watched_{executor, watched.release()},
        stale_flows_{std::move(stale_flows)},
        planner_{std::make_shared<Planner>(std::move(settings), std::move(families))} {}

  void concerns_by(const std::shared_ptr<std::function<bool(const netfilter::ChainKey&)>>& slot) {
    *slot = [planner = planner_](const netfilter::ChainKey& key) { return planner->concerns(key); };
  }

  Awaitable<Result<SyncReport>> reconcile(const ServiceTable& wanted) override {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      auto report = co_await reconcile_once(wanted);
      if (report || report.error().code != std::errc::resource_unavailable_try_again)
        co_return report;
      ++retries_;
    }
    co_return proxy::system_error(EAGAIN, "reconcile: others never stopped changing the ruleset");
  }

  Awaitable<Result<SyncReport>> sync(const ServiceTable& wanted,
                                     std::span<const ServicePortName> changed) override {
    monitor_.drain();
    if (!in_force_ || monitor_.changed()) {
      in_force_ = false;
      co_return changed_under_us();
    }
    planner_->begin(wanted, changed);
    stale_flows_->note(wanted, changed);
    co_return co_await run(wanted);
  }

  Awaitable<OutsideChange> outside_change() override {
    for (;;) {
      monitor_.drain();
      if (addresses_.drain()) co_return OutsideChange{OutsideChange::Kind::node_addresses, 0, {}};
      if (auto change = monitor_.take()) {
        in_force_ = false;
        co_return std::move(*change);
      }
      boost::system::error_code error;
      co_await watched_.async_wait(asio::posix::stream_descriptor::wait_read,
                                   asio::redirect_error(asio::use_awaitable, error));
      if (error) throw boost::system::system_error{error};  // cancelled
    }
  }

  Awaitable<std::vector<Traffic>> traffic(std::span<const ServicePortName> names) override {
    return traffic_.read(*planner_, names);
  }

  Awaitable<void> shut_down() override { co_return; }

  [[nodiscard]] std::vector<std::string> places(const ServicePortName& name) const override {
    std::vector<std::string> out;
    for (const auto& chain : planner_->chains_of(name)) {
      out.push_back(std::string{name.family == Family::v4 ? "iptables" : "ip6tables"} +
                    " -t nat -vnL " + chain.c_str());
    }
    return out;
  }

  [[nodiscard]] std::vector<Figure> figures() const override {
    std::vector<Figure> out;
    for (const auto family : families_) {
      for (const auto table : netfilter::kTables) {
        out.push_back({"kubeproxy_sync_proxy_rules_iptables_total",
                       {{"table", std::string{to_string(table)}},
                        {"ip_family", std::string{to_string(family)}}},
                       static_cast<double>(planner_->rule_count(family, table))});
        out.push_back({"kubeproxy_sync_proxy_rules_iptables_last",
                       {{"table", std::string{to_string(table)}},
                        {"ip_family", std::string{to_string(family)}}},
                       static_cast<double>(written_[index_of(family)][index_of(table)])});
      }
    }
    out.push_back({"viaduct_netlink_retries_total", {}, static_cast<double>(retries_)});
    if (const auto limit = recent_list_limit()) {
      out.push_back({"viaduct_session_affinity_clients_per_endpoint_limit", {}, *limit});
    }
    std::ranges::move(stale_flows_->figures(), std::back_inserter(out));
    return out;
  }

  // xt_recent's ip_list_tot: how many clients one endpoint's session affinity remembers.
  [[nodiscard]] static std::optional<double> recent_list_limit() {
    const auto value = netfilter::read_module_parameter("xt_recent", "ip_list_tot");
    if (!value) return std::nullopt;
    return std::strtod(value->c_str(), nullptr);
  }

 private:
  [[nodiscard]] Result<NodeFacts> node_facts(const ServiceTable& wanted) const {
    NodeFacts facts;
    if (!settings_.node_port_addresses.ranges.empty()) {
      auto addresses = netfilter::NodeAddresses::list();
      if (!addresses) return addresses.error();
      facts.addresses = std::move(*addresses);
    }
    facts.primary_ips = wanted.primary_ips();
    if (const auto* node = wanted.node()) facts.pod_cidrs = node->pod_cidrs;
    const auto liberal = netfilter::read_sysctl("net/netfilter/nf_conntrack_tcp_be_liberal");
    // Not to be read for a moment (no descriptor was left): as it was.
    facts.tcp_be_liberal = liberal ? *liberal != "0" : planner_->node().tcp_be_liberal;
    return facts;
  }

  Awaitable<Result<SyncReport>> reconcile_once(const ServiceTable& wanted) {
    const auto facts = node_facts(wanted);
    if (!facts) co_return facts.error();
    const auto generation = kernel_.generation();
    if (!generation) co_return generation.error();
    monitor_.drain();
    const bool as_left = in_force_ && *generation == generation_ && !monitor_.changed();
    if (as_left && *facts == planner_->node() && planner_->set_aside().empty()) co_return report();
    if (!as_left) {
      auto observation = co_await kernel_.observe(&Planner::itemised);
      if (!observation) co_return observation.error();
      generation_ = observation->generation;
      planner_->observe(*observation, *facts);
    }
    planner_->begin_all(wanted, *facts);
    stale_flows_->note_all(wanted);
    (void)monitor_.take();
    co_return co_await run(wanted);
  }

  // Commits transactions until the planner has no more.
  Awaitable<Result<SyncReport>> run(const ServiceTable& wanted) {
    in_force_ = false;
    auto sum = SyncReport{};
    Written written{};
    for (int attempts = 0; attempts < kAttempts;) {
      const auto transaction = planner_->next(wanted, kTransactionBytes);
      if (transaction.empty()) {
        if (auto listening = resume_monitor(); !listening) co_return listening.error();
        in_force_ = true;
        written_ = written;
        stale_flows_->written();
        sum.set_aside = planner_->set_aside();
        co_return sum;
      }
      pause_for(transaction);
      const auto committed = commit(wanted, transaction);
      if (!committed) co_return committed.error();
      if (*committed) {
        attempts = 0;
        ++sum.transactions;
        sum.operations += transaction.size();
        count_rules(transaction, written);
        // A large load lets the rest of the process have its turn.
        co_await asio::post(asio::use_awaitable);
      } else {
        ++attempts;
      }
    }
    co_return proxy::system_error(EAGAIN, "commit: refused again and again");
  }

  // False: something of it was refused, and the planner knows.
  Result<bool> commit(const ServiceTable& wanted, const Transaction& transaction) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      auto result = kernel_.commit(transaction, generation_);
      if (!result) return result.error();
      switch (result->kind) {
        case CommitResult::Kind::committed:
          generation_ = result->generation;
          if (monitor_.listening()) monitor_.own(generation_);
          planner_->committed(now());
          return true;
        case CommitResult::Kind::refused: {
          auto planned = planner_->refused(wanted, transaction, result->refused);
          if (!planned) return planned.error();
          return false;
        }
        case CommitResult::Kind::stale:
          break;
      }
      ++retries_;
      // Somebody has committed. If it was none of our chains, the plan is still good.
      const auto generation = kernel_.generation();
      if (!generation) return generation.error();
      if (!monitor_.listening()) return changed_under_us();
      monitor_.drain();
      if (monitor_.changed()) return changed_under_us();
      generation_ = *generation;
    }
    return proxy::system_error(EAGAIN, "commit: others never stopped changing the ruleset");
  }

  // Rules by family and table.
  using Written = std::array<std::array<std::size_t, netfilter::kTables.size()>, 2>;
  template <class Enum>
  [[nodiscard]] static constexpr std::size_t index_of(Enum value) {
    return static_cast<std::size_t>(value);
  }
  static void count_rules(const Transaction& transaction, Written& written) {
    const auto add = [&](const ChainKey& chain, std::size_t rules) {
      written[index_of(chain.family)][index_of(chain.table)] += rules;
    };
    for (const auto& operation : transaction) {
      if (const auto* rewrite = std::get_if<netfilter::RewriteChain>(&operation)) {
        add(rewrite->chain, rewrite->rules.size());
      } else if (const auto* insert = std::get_if<netfilter::InsertRule>(&operation)) {
        add(insert->chain, 1);
      } else if (const auto* append = std::get_if<netfilter::AppendRule>(&operation)) {
        add(append->chain, 1);
      }
    }
  }

  void pause_for(const Transaction& transaction) {
    std::size_t bytes = 0;
    for (const auto& operation : transaction) bytes += netfilter::encoded_size(operation);
    if (bytes > kTransactionBytes / 2) monitor_.pause();
  }
  Result<void> resume_monitor() {
    if (monitor_.listening()) return {};
    if (auto resumed = monitor_.resume(); !resumed) return resumed.error();
    const auto generation = kernel_.generation();
    if (!generation) return generation.error();
    if (*generation != generation_) return changed_under_us();
    return {};
  }

  [[nodiscard]] static std::chrono::sys_seconds now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }

  [[nodiscard]] SyncReport report() const { return SyncReport{0, 0, planner_->set_aside()}; }

  Settings settings_;
  std::vector<Family> families_;
  netfilter::NetlinkKernel kernel_;
  netfilter::RulesetMonitor monitor_;
  netfilter::NodeAddresses addresses_;
  asio::posix::stream_descriptor watched_;
  std::unique_ptr<netfilter::ConntrackCleaner> stale_flows_;
  TrafficReader traffic_;
  Written written_{};          // by the last sync that came to its end
  std::uint64_t retries_ = 0;  // because others had changed the ruleset meanwhile
  std::shared_ptr<Planner> planner_;
  std::uint32_t generation_ = 0;
  bool in_force_ = false;  // the kernel has what the planner last finished
};

// What the cleaner of UDP flows asks and tells.
netfilter::ConntrackCleaner::Hooks cleaner_hooks(std::function<void(const Advice&)> advise) {
  return {.node_addresses =
              [] {
                auto addresses = netfilter::NodeAddresses::list();
                return addresses ? std::move(*addresses) : std::vector<proxy::IpAddress>{};
              },
          .report = netfilter::ConntrackCleaner::failures_to(
              [advise = std::move(advise)](const std::string& text) { advise({text}); })};
}

void prepare_machine(const Settings& settings, const std::function<void(const Advice&)>& advise) {
  if (serves_localhost(settings)) {
    if (auto set = netfilter::write_sysctl("net/ipv4/conf/all/route_localnet", "1"); !set) {
      advise({"node ports on 127.0.0.1 will not work: " + set.error().text()});
    }
  }
  if (const auto limit = IptablesMode::recent_list_limit()) {
    advise({"session affinity remembers at most " + std::to_string(static_cast<long>(*limit)) +
            " clients for each endpoint (xt_recent ip_list_tot)"});
  }
}

}  // namespace

Result<std::unique_ptr<Mode>> make_iptables_mode(asio::any_io_executor executor, Settings settings,
                                                 std::function<void(const Advice&)> advise) {
  auto kernel = netfilter::NetlinkKernel::open();
  if (!kernel) return kernel.error();
  if (auto generation = kernel->generation(); !generation) return generation.error();
  auto concerns = std::make_shared<std::function<bool(const netfilter::ChainKey&)>>();
  auto monitor = netfilter::RulesetMonitor::open(
      [concerns](const netfilter::ChainKey& key) { return *concerns && (*concerns)(key); });
  if (!monitor) return monitor.error();
  auto addresses = netfilter::NodeAddresses::open();
  if (!addresses) return addresses.error();
  auto watched = settings.node_port_addresses.ranges.empty()
                     ? netfilter::watch_jointly({monitor->fd()})
                     : netfilter::watch_jointly({monitor->fd(), addresses->fd()});
  if (!watched) return watched.error();
  auto stale_flows = netfilter::ConntrackCleaner::open(executor, cleaner_hooks(advise));
  if (!stale_flows) return stale_flows.error();
  prepare_machine(settings, advise);
  auto mode = std::make_unique<IptablesMode>(
      std::move(executor), std::move(settings), std::vector<Family>{Family::v4, Family::v6},
      std::move(*kernel), std::move(*monitor), std::move(*addresses), std::move(*watched),
      std::move(*stale_flows));
  mode->concerns_by(concerns);
  return std::unique_ptr<Mode>{std::move(mode)};
}

}  // namespace modes::iptables
