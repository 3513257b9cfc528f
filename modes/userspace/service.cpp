#include "modes/userspace/service.hpp"

#include <algorithm>
#include <string_view>

namespace modes::userspace {
namespace {

constexpr std::string_view kProxyProtocol = "viaduct.io/proxy-protocol";
constexpr std::string_view kBalance = "viaduct.io/balance";

std::string_view annotation(const ServicePort& port, std::string_view key) {
  const auto it = port.annotations.find(std::string{key});
  return it == port.annotations.end() ? std::string_view{} : std::string_view{it->second};
}

// splitmix64's finaliser: spreads the bits of a counter.
std::uint64_t scattered(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
  return value ^ value >> 31;
}

}  // namespace

const Endpoint* Candidates::next() {
  if (left_ == 0) return nullptr;
  --left_;
  const auto* endpoint = &endpoints_[next_];
  next_ = (next_ + 1) % endpoints_.size();
  return endpoint;
}

Service::Service(ServicePortName name, const ServicePort& port, Balance balance,
                 const Service* before)
    : identity_{before != nullptr ? before->identity_
                                  : std::make_shared<const ServicePortName>(std::move(name))},
      lists_{port.internal_endpoints(), port.cluster_endpoints, port.external_endpoints()},
      serving_{port.serving_endpoints},
      source_ranges_{port.source_ranges},
      load_balancer_ips_{port.load_balancer_ips},
      announces_client_{annotation(port, kProxyProtocol) == "v2"},
      local_only_{port.external_policy == proxy::state::TrafficPolicy::local} {
  const auto protocol = identity_->protocol;
  vips_.push_back({port.cluster_ip, port.port, protocol});
  for (const auto* list : {&port.load_balancer_ips, &port.external_ips}) {
    for (const auto& address : *list) vips_.push_back({address, port.port, protocol});
  }
  if (port.node_port) {
    vips_.push_back(Vip::node_port(identity_->family, *port.node_port, protocol));
  }
  if (port.affinity) {
    affinity_ = before != nullptr && before->affinity_ ? before->affinity_
                                                       : std::make_shared<Affinity>(*port.affinity);
    affinity_->set_timeout(*port.affinity);
  }
  const auto wish = annotation(port, kBalance);
  if (wish == "least-connections" || (wish.empty() && balance == Balance::least_connections)) {
    take_loads(before);
  }
}

void Service::take_loads(const Service* before) {
  for (const auto& list : lists_) {
    for (const auto& endpoint : list) loads_.emplace_back(endpoint, nullptr);
  }
  std::ranges::sort(loads_, {}, &std::pair<Endpoint, LoadPtr>::first);
  const auto tail = std::ranges::unique(loads_, {}, &std::pair<Endpoint, LoadPtr>::first);
  loads_.erase(tail.begin(), tail.end());
  for (auto& [endpoint, load] : loads_) {
    if (before != nullptr) {
      const auto it = std::ranges::lower_bound(before->loads_, endpoint, {},
                                               [](const auto& item) { return item.first; });
      if (it != before->loads_.end() && it->first == endpoint) load = it->second;
    }
    if (!load) load = LoadPtr{new Load};
  }
}

bool Service::has(const Endpoint& endpoint) const {
  return is_serving(endpoint) ||
         std::ranges::any_of(lists_, [&](const auto& list) { return list.contains(endpoint); });
}

const std::vector<IpPrefix>* Service::sources(const Vip& vip) const {
  if (!source_ranges_ ||
      std::ranges::find(load_balancer_ips_, vip.address) == load_balancer_ips_.end())
    return nullptr;
  return &*source_ranges_;
}

Service::Path Service::path(const Vip& vip, Entrance entrance) const {
  if (vip == cluster_ip()) return Path::internal;
  return entrance == Entrance::outside ? Path::external : Path::cluster;
}

// Each round goes through all endpoints, from a different one on: clients that connect in step with
// each other do not get the same half of them for ever.
std::size_t Service::turn(Path path) const {
  const auto size = lists_[static_cast<std::size_t>(path)].size();
  const std::uint64_t ticket =
      turns_[static_cast<std::size_t>(path)].fetch_add(1, std::memory_order_relaxed);
  const auto seed = reinterpret_cast<std::uintptr_t>(this);
  return (ticket + scattered(seed + ticket / size)) % size;
}

Load* Service::load_of(const Endpoint& endpoint) const {
  const auto it =
      std::ranges::lower_bound(loads_, endpoint, {}, [](const auto& item) { return item.first; });
  return it != loads_.end() && it->first == endpoint ? it->second.get() : nullptr;
}

std::size_t Service::least_loaded(const EndpointList& list, std::size_t from) const {
  std::size_t best = from;
  auto least = ~std::uint32_t{0};
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto at = (from + i) % list.size();
    const auto load = load_of(list[at])->connections.load(std::memory_order_relaxed);
    if (load >= least) continue;
    least = load;
    best = at;
  }
  return best;
}

Candidates Service::candidates(const Vip& vip, Entrance entrance, const IpAddress& client,
                               Clock::time_point now) const {
  const auto way = path(vip, entrance);
  const auto& list = lists_[static_cast<std::size_t>(way)];
  if (list.empty()) return {};
  if (affinity_) {
    if (const auto last = affinity_->find(client, now)) {
      const auto it = std::lower_bound(list.begin(), list.end(), *last);
      if (it != list.end() && *it == *last) {
        return {list, static_cast<std::size_t>(it - list.begin())};
      }
    }
  }
  const auto first = turn(way);
  return {list, loads_.empty() ? first : least_loaded(list, first)};
}

Lease Service::connected(const IpAddress& client, const Endpoint& endpoint,
                         Clock::time_point now) const {
  if (affinity_) affinity_->remember(client, endpoint, now);
  if (loads_.empty()) return {};
  const auto it =
      std::ranges::lower_bound(loads_, endpoint, {}, [](const auto& item) { return item.first; });
  return it != loads_.end() && it->first == endpoint ? Lease{it->second} : Lease{};
}

}  // namespace modes::userspace
