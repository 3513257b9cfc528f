// Who is asked for names outside the cluster, and how.
#pragma once

#include "dns/name.hpp"
#include "proxy/config/values.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace dns::forward {

struct UpstreamAddress {
  proxy::config::SocketAddress address;
  bool tls = false;         // DNS over TLS (RFC 7858)
  std::string server_name;  // tls: the name its certificate must have; empty: its address

  [[nodiscard]] std::string text() const;  // "10.0.0.2:53", "tls://1.1.1.1:853#one.one.one.one"
  friend bool operator==(const UpstreamAddress&, const UpstreamAddress&) = default;
};

// ADDR, ADDR:PORT, tls://ADDR[:PORT][#SERVERNAME].
[[nodiscard]] Result<UpstreamAddress> parse_upstream(std::string_view text);

struct StubDomain {
  LowerName domain;
  std::vector<UpstreamAddress> upstreams;
};

struct Options {
  std::vector<UpstreamAddress> upstreams;  // empty, and no stub domains: nothing is forwarded
  std::vector<StubDomain> stub_domains;    // the longest domain that fits wins
  bool cache = true;
  std::size_t cache_entries = 10'000;
  std::size_t cache_bytes = 4 << 20;   // of messages; the index takes about as much again
  std::chrono::seconds max_ttl{3600};  // a longer one counts as this
  std::chrono::seconds max_negative_ttl{1800};
  std::chrono::seconds failure_ttl{5};        // SERVFAIL (RFC 2308 §7.1: at most 5 minutes)
  std::chrono::seconds stale_for{3600};       // answers past their time, if no upstream says more
  std::size_t max_questions = 1000;           // on their way at once; more get SERVFAIL
  std::chrono::milliseconds deadline{4'500};  // then SERVFAIL: resolvers wait 5 s
  std::chrono::milliseconds stale_after{1'800};  // then a stale answer (RFC 8767 §5)
};

// The name servers and the search list of a resolv.conf(5).
struct ResolvConf {
  std::vector<proxy::config::SocketAddress> name_servers;
  std::vector<LowerName> search;
};
// Lines that make no sense are skipped, as resolvers do. Zones of link-local addresses are not
// kept.
[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text);

}  // namespace dns::forward
