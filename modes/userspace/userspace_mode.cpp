#include "modes/userspace/userspace_mode.hpp"

#include "modes/netfilter/node_addresses.hpp"
#include "modes/userspace/steering/policy_route_netlink.hpp"
#include "modes/userspace/steering/steering.hpp"
#include "modes/userspace/workers.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>

namespace modes::userspace {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using steering::FactsByFamily;
using steering::Steering;

// How long a process that takes over has to begin to steer, if one is known to and if one only may,
// and how often it is looked.
constexpr auto kSuccessorTime = 20s;
constexpr auto kUnknownSuccessorTime = 1s;
constexpr auto kSuccessorStep = 10ms;
// Who was steered to us before has finished the handshake by then.
constexpr auto kHandshakeTime = 1s;

class UserspaceMode final : public Mode {
 public:
  UserspaceMode(asio::any_io_executor executor, std::shared_ptr<const Settings> settings,
                std::unique_ptr<Mode> kernel_mode, Steering steering,
                netfilter::NodeAddresses addresses, std::unique_ptr<Workers> workers)
      : settings_{std::move(settings)},
        kernel_mode_{std::move(kernel_mode)},
        steering_{std::move(steering)},
        addresses_{std::move(addresses)},
        addresses_changed_{executor, addresses_.fd()},
        workers_{std::move(workers)} {}
  ~UserspaceMode() override { addresses_changed_.release(); }

  Awaitable<Result<SyncReport>> reconcile(const ServiceTable& wanted) override {
    const auto facts = facts_of(wanted);
    if (!facts) co_return facts.error();
    for (const auto family : proxy::kFamilies) {
      if (!has_family(family)) continue;
      if (auto route = steering::add_policy_route(family); !route) co_return route.error();
    }
    if (!has_steered_) {
      // What the kernel mode is about to remove may forward for our protocols still: a daemon of
      // another mode was here, or kube-proxy.
      const auto steered = co_await steer_all(wanted, *facts);
      if (!steered) co_return steered.error();
      has_steered_ = true;
      Result<SyncReport> kernel{SyncReport{}};
      if (kernel_mode_) kernel = co_await kernel_mode_->reconcile(wanted);
      if (!kernel) co_return kernel;
      co_return sum(std::move(*kernel), *steered);
    }
    // First, so that a service is in force for all protocols when it is for ours.
    Result<SyncReport> kernel{SyncReport{}};
    if (kernel_mode_) kernel = co_await kernel_mode_->reconcile(wanted);
    if (!kernel) co_return kernel;
    const auto steered = co_await steer_all(wanted, *facts);
    if (!steered) co_return steered.error();
    co_return sum(std::move(*kernel), *steered);
  }

  Awaitable<Result<SyncReport>> sync(const ServiceTable& wanted,
                                     std::span<const ServicePortName> changed) override {
    Result<SyncReport> kernel{SyncReport{}};
    if (kernel_mode_) kernel = co_await kernel_mode_->sync(wanted, changed);
    if (!kernel) co_return kernel;
    auto changes = services_.changes_to(wanted, changed);
    co_await workers_->put(changes);
    auto steered = steering_.update(wanted, changed);
    if (!steered) co_return steered.error();
    co_await workers_->drop(changes);
    co_return sum(std::move(*kernel), *steered);
  }

  // Nobody can change our tables. What can change is what the kernel mode wrote, and the address of
  // this node that connections are translated to.
  Awaitable<OutsideChange> outside_change() override {
    using namespace asio::experimental::awaitable_operators;
    if (!kernel_mode_) co_return co_await address_change();
    auto which = co_await (address_change() || kernel_mode_->outside_change());
    co_return which.index() == 0 ? std::get<0>(which) : std::get<1>(which);
  }

  Awaitable<std::vector<Traffic>> traffic(std::span<const ServicePortName> names) override {
    auto out = co_await workers_->traffic(services_, names);
    std::vector<ServicePortName> others;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i].protocol != Protocol::sctp) continue;
      others.push_back(names[i]);
      places.push_back(i);
    }
    if (!kernel_mode_ || others.empty()) co_return out;
    auto by_kernel = co_await kernel_mode_->traffic(others);
    for (std::size_t i = 0; i < by_kernel.size(); ++i) out[places[i]] = std::move(by_kernel[i]);
    co_return out;
  }

  void expect_successor() override { expects_successor_ = true; }

  // Who takes over from us begins now. Until it steers, or is not to be expected any more, we go on
  // accepting; what is open then goes on for a while.
  Awaitable<void> shut_down() override {
    const auto until = Clock::now() + (expects_successor_ ? kSuccessorTime : kUnknownSuccessorTime);
    while (!steering_.has_successor() && Clock::now() < until) co_await pause(kSuccessorStep);
    const bool succeeded = steering_.has_successor();
    (void)steering_.remove();
    if (!succeeded) {
      for (const auto family : proxy::kFamilies) (void)steering::remove_policy_route(family);
    }
    co_await pause(kHandshakeTime);
    co_await workers_->drain(settings_->drain);
    if (kernel_mode_) co_await kernel_mode_->shut_down();
  }

  [[nodiscard]] std::vector<Figure> figures() const override {
    auto out = workers_->figures();
    if (kernel_mode_) {
      for (auto& figure : kernel_mode_->figures()) out.push_back(std::move(figure));
    }
    return out;
  }

 private:
  Awaitable<Result<SyncReport>> steer_all(const ServiceTable& wanted, const FactsByFamily& facts) {
    auto changes = services_.changes_to_all(wanted);
    co_await workers_->put(changes);
    auto steered = steering_.reconcile(wanted, facts);
    if (steered) co_await workers_->drop(changes);
    co_return steered;
  }

  Awaitable<void> pause(std::chrono::milliseconds time) {
    asio::steady_timer timer{addresses_changed_.get_executor(), time};
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }

  static SyncReport sum(SyncReport all, const SyncReport& steered) {
    all.transactions += steered.transactions;
    all.operations += steered.operations;
    return all;
  }

  Awaitable<OutsideChange> address_change() {
    while (!addresses_.drain()) {
      boost::system::error_code error;
      co_await addresses_changed_.async_wait(asio::posix::stream_descriptor::wait_read,
                                             asio::redirect_error(asio::use_awaitable, error));
      if (error) throw boost::system::system_error{error};  // cancelled
    }
    co_return OutsideChange{OutsideChange::Kind::node_addresses, 0, {}};
  }

  [[nodiscard]] Result<FactsByFamily> facts_of(const ServiceTable& wanted) const {
    const auto addresses = netfilter::NodeAddresses::list();
    if (!addresses) return addresses.error();
    FactsByFamily out;
    for (const auto family : proxy::kFamilies) {
      auto& facts = out.at(static_cast<std::size_t>(family));
      facts.ports = workers_->ports().at(static_cast<std::size_t>(family));
      facts.primary_ips = wanted.primary_ips();
      if (const auto* node = wanted.node()) facts.pod_cidrs = node->pod_cidrs;
      facts.node_address = node_address(family, *addresses, facts.primary_ips);
    }
    return out;
  }

  // The node's primary one, if it is there; else any but loopback's.
  static std::optional<IpAddress> node_address(Family family,
                                               const std::vector<IpAddress>& addresses,
                                               const std::vector<IpAddress>& primary_ips) {
    const auto usable = [&](const IpAddress& address) {
      return address.family() == family && !address.is_loopback();
    };
    for (const auto& address : primary_ips) {
      if (usable(address) && std::ranges::find(addresses, address) != addresses.end())
        return address;
    }
    const auto it = std::ranges::find_if(addresses, usable);
    if (it == addresses.end()) return std::nullopt;
    return *it;
  }

  std::shared_ptr<const Settings> settings_;
  std::unique_ptr<Mode> kernel_mode_;
  Steering steering_;
  netfilter::NodeAddresses addresses_;
  asio::posix::stream_descriptor addresses_changed_;
  std::unique_ptr<Workers> workers_;
  bool expects_successor_ = false;
  Services services_{settings_};
  bool has_steered_ = false;
};

}  // namespace

Result<std::unique_ptr<Mode>> make_userspace_mode(ModeParts parts) {
  auto settings = std::make_shared<const Settings>(std::move(parts.settings));
  auto addresses = netfilter::NodeAddresses::open();
  if (!addresses) return addresses.error();
  auto steering = Steering::open(*settings);
  if (!steering) return steering.error();
  auto workers = Workers::start(parts.executor, settings, std::move(parts.warn));
  if (!workers) return workers.error();
  return std::unique_ptr<Mode>{std::make_unique<UserspaceMode>(
      parts.executor, std::move(settings), std::move(parts.kernel_mode), std::move(*steering),
      std::move(*addresses), std::move(*workers))};
}

}  // namespace modes::userspace
