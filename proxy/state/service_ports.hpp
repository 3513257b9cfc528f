// From a Service to the service ports that it asks this node to forward, before anybody's endpoints
// and before it is known whether another Service has the same VIP.
//
// Pure. Rules: Kubernetes "Virtual IPs and Service Proxies", and what kube-proxy 1.36 does.
#pragma once

#include "proxy/state/service_port.hpp"

#include <string>
#include <vector>

namespace proxy::state {

struct WantedPort {
  ServicePortName name;
  ServicePort port;  // no endpoints

  friend bool operator==(const WantedPort&, const WantedPort&) = default;
};

struct WantedPorts {
  std::vector<WantedPort> ports;     // sorted by name, each name once; empty: nothing to forward
  std::vector<std::string> remarks;  // what of the Service is left out although it was asked for
};

// Is this a Service whose VIPs kube-proxy would not take either: headless, ExternalName, without
// cluster IP, or handed to another proxy by the label service.kubernetes.io/service-proxy-name?
[[nodiscard]] bool is_forwarded(const records::Service& service);

// Never fails; what can't be forwarded is left out, with a remark.
[[nodiscard]] WantedPorts wanted_ports(const records::Service& service);

}  // namespace proxy::state
