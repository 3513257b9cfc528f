// The DNS server's figures in Prometheus' text format, by CoreDNS' names where it has one, so that
// its dashboards and alerts go on working; else viaduct_dns_….
#pragma once

#include "dns/forward/resolver.hpp"
#include "dns/serve/counters.hpp"
#include "dns/zone.hpp"
#include "proxy/config/values.hpp"

#include <span>
#include <string>

namespace dns::serve {

struct MetricsInput {
  std::string domain;  // "cluster.local."
  std::span<const proxy::config::SocketAddress> servers;
  std::span<const Counters* const> udp;  // of each worker
  const Counters& tcp;
  std::size_t tcp_connections = 0;
  const Zone& zone;
  const forward::Resolver* resolver = nullptr;
};

// Any thread; numbers that move meanwhile are each whole, though not all of one moment.
[[nodiscard]] std::string metrics_text(const MetricsInput& input);

}  // namespace dns::serve
