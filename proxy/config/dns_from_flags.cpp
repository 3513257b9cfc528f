#include "proxy/config/dns_from_flags.hpp"

#include <fmt/format.h>

namespace proxy::config {
namespace {

constexpr Port kDnsPort{53};

Result<std::uint32_t> number(const FlagValues& flags, std::string_view name, std::int32_t most) {
  const auto value = flags.integer(name);
  if (value >= 0 && value <= most) return static_cast<std::uint32_t>(value);
  return invalid(fmt::format("--{}: {} is not from 0 to {}", name, value, most));
}

Result<std::vector<SocketAddress>> addresses(const FlagValues& flags, std::string_view name) {
  std::vector<SocketAddress> list;
  for (const auto& text : flags.list(name)) {
    const auto address = parse_socket_address(text, kDnsPort);
    if (!address) return within(fmt::format("--{}", name), address.error());
    list.push_back(*address);
  }
  return list;
}

Result<PodRecords> pod_records(const FlagValues& flags) {
  const auto name = flags.text("dns-pod-records");
  if (name == "disabled") return PodRecords::disabled;
  if (name == "insecure") return PodRecords::insecure;
  if (name == "verified") return PodRecords::verified;
  return invalid(
      fmt::format("--dns-pod-records: \"{}\" is none of disabled, insecure, verified", name));
}

}  // namespace

Result<Dns> dns_from_flags(const FlagValues& flags) {
  Dns dns;
  auto listen = addresses(flags, "dns-bind-address");
  if (!listen) return listen.error();
  auto node_local = addresses(flags, "dns-node-local");
  if (!node_local) return node_local.error();
  for (const auto& address : *node_local) {
    if (address.address.is_unspecified() || address.address.is_loopback()) {
      return invalid(fmt::format("--dns-node-local: {} cannot be the address of a service",
                                 address.address.text()));
    }
  }
  dns.listen = std::move(*listen);
  dns.node_local = std::move(*node_local);
  for (const auto& text : flags.list("dns-allow")) {
    const auto prefix = parse_prefix(text);
    if (!prefix) return within("--dns-allow", prefix.error());
    dns.allow.push_back(*prefix);
  }
  const auto pods = pod_records(flags);
  if (!pods) return pods.error();
  const auto ttl = number(flags, "dns-ttl", 3600);
  if (!ttl) return ttl.error();
  const auto workers = number(flags, "dns-workers", 1024);
  if (!workers) return workers.error();
  const auto rate_limit = number(flags, "dns-rate-limit", 1'000'000);
  if (!rate_limit) return rate_limit.error();

  dns.cluster_domain = flags.text("cluster-domain");
  dns.ttl = *ttl;
  dns.pod_records = *pods;
  dns.autopath = flags.boolean("dns-autopath");
  dns.ignore_empty_service = flags.boolean("dns-ignore-empty-service");
  dns.endpoint_pod_names = flags.boolean("dns-endpoint-pod-names");
  dns.short_names = flags.boolean("dns-short-names");
  dns.cache = flags.boolean("dns-cache");
  dns.log_queries = flags.boolean("dns-log-queries");
  dns.namespaces = flags.list("dns-namespaces");
  dns.upstreams = flags.list("dns-upstream");
  dns.stub_domains = flags.list("dns-stub-domain");
  dns.resolv_conf = flags.text("dns-resolv-conf");
  dns.workers = *workers;
  dns.rate_limit = *rate_limit;
  return dns;
}

}  // namespace proxy::config
