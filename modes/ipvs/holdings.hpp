// What all service ports together make this node hold, and how that changes with one of them.
//
// Pure. Keeps of each service port what it wanted last, so that a change costs what changed.
#pragma once

#include "modes/ipvs/claims.hpp"
#include "modes/ipvs/forwarding.hpp"

#include <map>
#include <optional>
#include <variant>
#include <vector>

namespace modes::ipvs {

using proxy::state::ServicePortName;

struct NodePortKey {
  Family family = Family::v4;
  Protocol protocol = Protocol::tcp;
  Port port;
  friend auto operator<=>(const NodePortKey&, const NodePortKey&) = default;
};

struct Holdings {
  Claims<VirtualServerKey, ServicePortName> servers;
  Claims<IpAddress, std::monostate> addresses;  // on kube-ipvs0
  Claims<IpAddress, std::monostate> silent;     // not to be answered for by ARP
  Claims<VirtualServerKey, Fate> vips;
  Claims<NodePortKey, Fate> node_ports;
  Claims<AllowedSource, std::monostate> sources;

  // `wanted`: nullptr when the service port is no more.
  void set(const ServicePortName& name, const Forwarding* wanted);
  // The virtual servers that it wants; it may not be the one that has them.
  [[nodiscard]] std::vector<VirtualServerKey> servers_of(const ServicePortName& name) const;
  // Those of whom something is held.
  [[nodiscard]] std::vector<ServicePortName> names() const;

 private:
  struct Held {  // all sorted
    std::vector<VirtualServerKey> servers;
    std::vector<IpAddress> addresses, silent;
    std::vector<std::pair<VirtualServerKey, Fate>> vips;
    std::vector<std::pair<NodePortKey, Fate>> node_ports;
    std::vector<AllowedSource> sources;
    friend bool operator==(const Held&, const Held&) = default;
  };
  [[nodiscard]] static Held held_by(const ServicePortName& name, const Forwarding& wanted);
  void pass_on(const ServicePortName& name, const Held& before, const Held& after);

  std::map<ServicePortName, Held> held_;
};

}  // namespace modes::ipvs
