// The chain names of the ecosystem: prefix and hash as kube-proxy computes them, so that tools and
// people find what they know (tests/conformance/naming.yaml).
#pragma once

#include "modes/netfilter/chain.hpp"
#include "proxy/state/service_port.hpp"

#include <string>
#include <string_view>

namespace modes::iptables {

using netfilter::ChainName;
using proxy::state::Endpoint;
using proxy::state::ServicePortName;

// The first 16 characters of the base32 (RFC 4648) of the SHA-256 of `text`.
[[nodiscard]] std::string base32_hash(std::string_view text);

// "namespace/name:port" and the protocol in lower case: what service hashes are made from.
[[nodiscard]] std::string hashed_string(const ServicePortName& name);

struct ServiceChainNames {
  explicit ServiceChainNames(const ServicePortName& name);

  ChainName cluster;   // KUBE-SVC-: the endpoints under Cluster policy
  ChainName local;     // KUBE-SVL-: under Local policy
  ChainName external;  // KUBE-EXT-: traffic to external VIPs
  ChainName firewall;  // KUBE-FW-: the source ranges of a load balancer
  std::string hash;
};

// KUBE-SEP-: one endpoint of a service port.
[[nodiscard]] ChainName endpoint_chain(const std::string& hashed_service, const Endpoint& endpoint);

// Does it begin as those do?
[[nodiscard]] bool is_endpoint_chain(std::string_view name);

// Is it a name that only a service proxy gives: KUBE-{SVC,SVL,EXT,FW,SEP}-, and our trees'
// KUBE-SVCT-, KUBE-SVCE-, KUBE-SVLE-?
[[nodiscard]] bool is_service_chain(std::string_view name);

}  // namespace modes::iptables
