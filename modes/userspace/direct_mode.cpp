#include "modes/userspace/direct_mode.hpp"

#include "modes/netfilter/node_addresses.hpp"
#include "modes/userspace/workers.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <tuple>

namespace modes::userspace {
namespace {

namespace asio = boost::asio;

bool serves_node_ports_at(const IpAddress& address, const Settings& settings,
                          const std::vector<IpAddress>& primary_ips) {
  if (address.is_loopback() && address.family() == Family::v4 && !settings.localhost_node_ports) {
    return false;
  }
  const auto limits = settings.node_port_addresses.limits(address.family(), primary_ips);
  return limits.empty() || std::ranges::any_of(limits, [&](const IpPrefix& limit) {
           return limit.contains(address);
         });
}

class DirectMode final : public Mode {
 public:
  DirectMode(asio::any_io_executor executor, std::shared_ptr<const Settings> settings,
             netfilter::NodeAddresses addresses, std::unique_ptr<Workers> workers,
             InheritedSockets inherited)
      : settings_{std::move(settings)},
        addresses_{std::move(addresses)},
        addresses_changed_{executor, addresses_.fd()},
        workers_{std::move(workers)},
        inherited_{std::move(inherited)} {}
  ~DirectMode() override { addresses_changed_.release(); }

  Awaitable<Result<SyncReport>> reconcile(const ServiceTable& wanted) override {
    auto addresses = netfilter::NodeAddresses::list();
    if (!addresses) co_return addresses.error();
    local_ = std::move(*addresses);
    std::vector<ServicePortName> all;
    wanted.for_each([&](const ServicePortName& name, const ServicePort&) { all.push_back(name); });
    for (const auto& [name, places] : places_) {
      if (wanted.find(name) == nullptr) all.push_back(name);
    }
    auto report = co_await apply(wanted, all, services_.changes_to_all(wanted));
    inherited_.clear();  // nobody wants to come there any more
    co_return report;
  }

  Awaitable<Result<SyncReport>> sync(const ServiceTable& wanted,
                                     std::span<const ServicePortName> changed) override {
    co_return co_await apply(wanted, changed, services_.changes_to(wanted, changed));
  }

  Awaitable<OutsideChange> outside_change() override {
    while (!addresses_.drain()) {
      boost::system::error_code error;
      co_await addresses_changed_.async_wait(asio::posix::stream_descriptor::wait_read,
                                             asio::redirect_error(asio::use_awaitable, error));
      if (error) throw boost::system::system_error{error};  // cancelled
    }
    co_return OutsideChange{OutsideChange::Kind::node_addresses, 0, {}};
  }

  [[nodiscard]] std::vector<int> sockets_to_hand_over() const override {
    return workers_->sockets();
  }

  Awaitable<std::vector<Traffic>> traffic(std::span<const ServicePortName> names) override {
    return workers_->traffic(services_, names);
  }

  Awaitable<void> shut_down() override { co_await workers_->drain(settings_->drain); }

  [[nodiscard]] std::vector<Figure> figures() const override { return workers_->figures(); }

 private:
  Awaitable<Result<SyncReport>> apply(const ServiceTable& wanted,
                                      std::span<const ServicePortName> names,
                                      Worker::Changes changes) {
    SyncReport report;
    co_await workers_->put(changes);
    std::vector<Vip> gone;
    for (const auto& name : names) leave(wanted, name, gone);
    if (!gone.empty()) co_await workers_->remove_listeners(gone);
    ListenersOfWorkers fresh(settings_->workers);
    for (const auto& name : names) report.operations += enter(wanted, name, fresh);
    report.operations += gone.size();
    if (report.operations > 0) {
      report.transactions = 1;
      co_await workers_->add_listeners(std::move(fresh));
    }
    co_await workers_->drop(changes);
    for (const auto& [name, error] : set_aside_) report.set_aside.push_back({name, error});
    co_return report;
  }

  [[nodiscard]] std::set<Vip, bool (*)(const Vip&, const Vip&)> wanted_places(
      const ServiceTable& wanted, const ServicePortName& name) const {
    std::set<Vip, bool (*)(const Vip&, const Vip&)> out{&before};
    const auto* port = wanted.find(name);
    if (port == nullptr) return out;
    for (const auto& place : direct_places(name, *port, *settings_, local_, wanted.primary_ips())) {
      out.insert(place);
    }
    return out;
  }

  void leave(const ServiceTable& wanted, const ServicePortName& name, std::vector<Vip>& gone) {
    const auto it = places_.find(name);
    if (it == places_.end()) return;
    const auto places = wanted_places(wanted, name);
    std::erase_if(it->second, [&](const Vip& place) {
      if (places.contains(place)) return false;
      gone.push_back(place);
      return true;
    });
    if (it->second.empty()) places_.erase(it);
  }

  std::size_t enter(const ServiceTable& wanted, const ServicePortName& name,
                    ListenersOfWorkers& fresh) {
    set_aside_.erase(name);
    const auto* port = wanted.find(name);
    if (port == nullptr) return 0;
    std::size_t opened = 0;
    std::optional<Error> failure;
    const auto places = wanted_places(wanted, name);
    for (const auto& place : places) {
      auto& held = places_[name];
      if (std::ranges::find(held, place) != held.end()) continue;
      if (auto done = listen_directly(place, inherited_, fresh); !done) {
        failure = done.error();
        continue;
      }
      held.push_back(place);
      ++opened;
    }
    if (places.empty() && port->has_any_endpoint) {
      failure =
          proxy::system_error(EADDRNOTAVAIL, "none of its VIPs is an address of this machine");
    }
    if (failure && places_[name].empty()) set_aside_.emplace(name, *failure);
    if (places_[name].empty()) places_.erase(name);
    return opened;
  }

  static bool before(const Vip& a, const Vip& b) {
    return std::tie(a.address, a.port, a.protocol) < std::tie(b.address, b.port, b.protocol);
  }

  std::shared_ptr<const Settings> settings_;
  netfilter::NodeAddresses addresses_;
  asio::posix::stream_descriptor addresses_changed_;
  std::unique_ptr<Workers> workers_;
  InheritedSockets inherited_;
  Services services_{settings_};
  std::vector<IpAddress> local_;
  std::map<ServicePortName, std::vector<Vip>> places_;  // that are listened on
  std::map<ServicePortName, Error> set_aside_;
};

}  // namespace

std::vector<Vip> direct_places(const ServicePortName& name, const ServicePort& port,
                               const Settings& settings, const std::vector<IpAddress>& addresses,
                               const std::vector<IpAddress>& primary_ips) {
  std::vector<Vip> out;
  if (name.protocol == Protocol::sctp) return out;
  const auto is_here = [&](const IpAddress& address) {
    return address.is_loopback() || std::ranges::find(addresses, address) != addresses.end();
  };
  const auto add = [&](const IpAddress& address, Port at) {
    const Vip place{address, at, name.protocol};
    if (is_here(address) && std::ranges::find(out, place) == out.end()) out.push_back(place);
  };
  if (!port.internal_endpoints().empty()) add(port.cluster_ip, port.port);
  if (port.external_endpoints().empty() && port.cluster_endpoints.empty()) return out;
  for (const auto* list : {&port.load_balancer_ips, &port.external_ips}) {
    for (const auto& address : *list) add(address, port.port);
  }
  if (!port.node_port) return out;
  for (const auto& address : addresses) {
    if (address.family() == name.family && serves_node_ports_at(address, settings, primary_ips)) {
      add(address, *port.node_port);
    }
  }
  return out;
}

Result<std::unique_ptr<Mode>> make_direct_mode(ModeParts parts) {
  auto settings = std::make_shared<const Settings>(std::move(parts.settings));
  auto addresses = netfilter::NodeAddresses::open();
  if (!addresses) return addresses.error();
  auto workers = Workers::start(parts.executor, settings, std::move(parts.warn));
  if (!workers) return workers.error();
  return std::unique_ptr<Mode>{std::make_unique<DirectMode>(
      parts.executor, std::move(settings), std::move(*addresses), std::move(*workers),
      InheritedSockets{std::move(parts.inherited)})};
}

}  // namespace modes::userspace
