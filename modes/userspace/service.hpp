// A service port as the workers see it: which endpoints a connection may go to, and in which order
// they are tried.
//
// What state/ decided is taken as it is. Immutable but for counters that workers share; a change
// makes a new one, which takes over what connections and clients left behind (loads, affinity).
#pragma once

#include "modes/userspace/affinity.hpp"
#include "modes/userspace/settings.hpp"
#include "proxy/state/service_port.hpp"
#include "proxy/state/vip_claims.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace modes::userspace {

using proxy::state::EndpointList;
using proxy::state::ServicePort;
using proxy::state::ServicePortName;
using proxy::state::Vip;

// How many connections an endpoint has now, with all workers; a Lease counts for one.
struct Load : boost::intrusive_ref_counter<Load> {
  std::atomic<std::uint32_t> connections{0};
};
using LoadPtr = boost::intrusive_ptr<Load>;  // half as large as a std::shared_ptr
class Lease {
 public:
  Lease() = default;
  explicit Lease(LoadPtr load) : load_{std::move(load)} {
    if (load_) load_->connections.fetch_add(1, std::memory_order_relaxed);
  }
  Lease(Lease&&) = default;
  Lease& operator=(Lease&& other) noexcept {
    end();
    load_ = std::move(other.load_);
    return *this;
  }
  ~Lease() { end(); }

 private:
  void end() {
    if (load_) load_->connections.fetch_sub(1, std::memory_order_relaxed);
    load_.reset();
  }
  LoadPtr load_;
};

// The endpoints that one connection may go to, in the order in which they are tried: each once.
class Candidates {
 public:
  Candidates() = default;
  Candidates(EndpointList endpoints, std::size_t first)
      : endpoints_{std::move(endpoints)}, next_{first}, left_{endpoints_.size()} {}

  // nullptr when all have been tried.
  [[nodiscard]] const Endpoint* next();
  [[nodiscard]] std::size_t left() const { return left_; }

 private:
  EndpointList endpoints_;
  std::size_t next_ = 0;
  std::size_t left_ = 0;
};

class Service {
 public:
  // `before`: what the service port was until now, null if it is new.
  Service(ServicePortName name, const ServicePort& port, Balance balance, const Service* before);

  [[nodiscard]] const ServicePortName& name() const { return *identity_; }
  // The same object as long as the service port is there, whatever changes of it.
  [[nodiscard]] const std::shared_ptr<const ServicePortName>& identity() const { return identity_; }
  [[nodiscard]] const std::vector<Vip>& vips() const { return vips_; }  // node port included
  [[nodiscard]] const Vip& cluster_ip() const { return vips_.front(); }
  // Endpoints are told the client's address in a PROXY protocol header, version 2.
  [[nodiscard]] bool announces_client() const { return announces_client_; }
  [[nodiscard]] bool is_serving(const Endpoint& endpoint) const {
    return serving_.contains(endpoint);
  }
  // Serving, or among those that connections may go to.
  [[nodiscard]] bool has(const Endpoint& endpoint) const;
  // Only these senders may use `vip`; null: everybody.
  [[nodiscard]] const std::vector<IpPrefix>* sources(const Vip& vip) const;
  [[nodiscard]] bool is_local_only() const { return local_only_; }

  // For a connection of `client` to `vip`. Empty if there is no endpoint for it.
  [[nodiscard]] Candidates candidates(const Vip& vip, Entrance entrance, const IpAddress& client,
                                      Clock::time_point now) const;
  // The connection of `client` is with `endpoint`; the lease is its share of the endpoint's load.
  [[nodiscard]] Lease connected(const IpAddress& client, const Endpoint& endpoint,
                                Clock::time_point now) const;

 private:
  enum class Path : std::uint8_t { internal, cluster, external };  // an index
  static constexpr std::size_t kPaths = 3;

  [[nodiscard]] Path path(const Vip& vip, Entrance entrance) const;
  [[nodiscard]] std::size_t turn(Path path) const;
  [[nodiscard]] std::size_t least_loaded(const EndpointList& list, std::size_t from) const;
  [[nodiscard]] Load* load_of(const Endpoint& endpoint) const;
  void take_loads(const Service* before);

  std::shared_ptr<const ServicePortName> identity_;
  std::vector<Vip> vips_;  // the cluster IP first
  std::array<EndpointList, kPaths> lists_;
  EndpointList serving_;
  std::optional<std::vector<IpPrefix>> source_ranges_;  // of the load-balancer IPs
  std::vector<IpAddress> load_balancer_ips_;
  bool announces_client_ = false;
  bool local_only_ = false;             // external traffic policy Local
  std::shared_ptr<Affinity> affinity_;  // null: none
  mutable std::array<std::atomic<std::uint32_t>, kPaths> turns_{};
  // For least connections only: of every endpoint, sorted.
  std::vector<std::pair<Endpoint, LoadPtr>> loads_;
};

}  // namespace modes::userspace
