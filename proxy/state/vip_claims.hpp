// Who has a VIP that several service ports ask for.
//
// In a cluster the API server gives out cluster IPs and node ports once each, but external IPs and
// load-balancer IPs are written by whoever may write a Service, and a folder of files is checked by
// nobody. Two owners of one VIP would make each mode choose by the order of its rules. So one is
// chosen here, by what is known of the claims and not by who came first: a cluster IP before a
// load-balancer IP before an external IP (or else a tenant's external IP could capture the cluster
// IP of another, CVE-2020-8554), then the lowest name, which is whom kube-proxy's sorted rules
// favour. When the owner goes, the next one follows.
//
// Pure. Every operation is O(1) for a VIP that one service port claims, O(log n) for one that n do.
#pragma once

#include "proxy/state/service_port.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

namespace proxy::state {

struct Vip {
  IpAddress address;
  Port port;
  Protocol protocol = Protocol::tcp;

  // A node port is claimed on all addresses of the node at once: the unspecified address.
  static Vip node_port(Family family, Port port, Protocol protocol) {
    return {IpAddress::any(family), port, protocol};
  }
  [[nodiscard]] std::string text() const;  // "10.96.0.1:80/TCP", "node port 30001/TCP (IPv4)"
  friend bool operator==(const Vip&, const Vip&) = default;
};

// Strongest first.
enum class VipRole : std::uint8_t { cluster_ip, load_balancer_ip, external_ip, node_port };

struct Claim {
  VipRole role;
  const ServicePortName* claimant;  // the very object that was passed to add()
};

class VipClaims {
 public:
  // `claimant` claims `vip`, which it has not claimed yet. Returns the claim that held the VIP and
  // holds it no longer, if there is one. `claimant` must outlive its claim.
  std::optional<Claim> add(const Vip& vip, VipRole role, const ServicePortName& claimant);

  // Withdraws a claim that was added before. Returns the claim that holds the VIP now and did not
  // before, if there is one.
  std::optional<Claim> remove(const Vip& vip, VipRole role, const ServicePortName& claimant);

  // Null if nobody claims it.
  [[nodiscard]] const ServicePortName* owner(const Vip& vip) const;

  [[nodiscard]] bool empty() const { return claims_.empty(); }

 private:
  struct StrongerFirst {
    bool operator()(const Claim& a, const Claim& b) const {
      return a.role != b.role ? a.role < b.role : *a.claimant < *b.claimant;
    }
  };
  using OtherClaims = std::set<Claim, StrongerFirst>;
  // Nearly always there is one claim and no allocation for others.
  struct Claims {
    Claim owner;
    std::unique_ptr<OtherClaims> others;  // all weaker than owner; null instead of empty
  };
  struct VipHash {
    std::size_t operator()(const Vip& vip) const noexcept;
  };
  std::unordered_map<Vip, Claims, VipHash> claims_;
};

}  // namespace proxy::state
