#include "dns/serve/from_config.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dns::serve {

namespace {

using forward::UpstreamAddress;
using proxy::invalid;
using proxy::within;

// Room for "_port-name._sctp.", an endpoint, a service and a namespace of full length in front.
constexpr std::size_t kMaxDomain = 60;

Result<LowerName> cluster_domain(const std::string& text) {
  const auto domain = parse_name(text);
  if (!domain) return within("--cluster-domain", domain.error());
  if (domain->label_count() == 0) return invalid("--cluster-domain: the root is not a domain");
  if (domain->size() > kMaxDomain) {
    return invalid(fmt::format("--cluster-domain: longer than {} characters", kMaxDomain));
  }
  return *domain;
}

PodRecords pod_records(proxy::config::PodRecords records) {
  switch (records) {
    case proxy::config::PodRecords::disabled:
      return PodRecords::disabled;
    case proxy::config::PodRecords::insecure:
      return PodRecords::insecure;
    case proxy::config::PodRecords::verified:
      break;
  }
  return PodRecords::verified;
}

// DOMAIN=ADDR; a domain given several times has several upstreams.
Result<void> add_stub_domain(const std::string& text, std::vector<forward::StubDomain>& stubs) {
  const auto equals = text.find('=');
  if (equals == std::string::npos) {
    return invalid(fmt::format("--dns-stub-domain: \"{}\" is not DOMAIN=ADDR", text));
  }
  const auto domain = parse_name(text.substr(0, equals));
  if (!domain) return within("--dns-stub-domain", domain.error());
  const auto upstream = forward::parse_upstream(text.substr(equals + 1));
  if (!upstream) return within("--dns-stub-domain", upstream.error());
  auto known = std::find_if(stubs.begin(), stubs.end(),
                            [&](const auto& stub) { return stub.domain == *domain; });
  if (known == stubs.end()) known = stubs.insert(stubs.end(), {*domain, {}});
  known->upstreams.push_back(*upstream);
  return {};
}

// Where this server is found; one on an unspecified address by all that others can reach.
std::vector<SocketAddress> places(const proxy::config::Dns& config,
                                  std::span<const IpAddress> local) {
  std::vector<SocketAddress> out = config.node_local;
  for (const auto& at : config.listen) {
    if (!at.address.is_unspecified()) {
      out.push_back(at);
      continue;
    }
    for (const auto& address : local) {
      if (address.family() != at.address.family()) continue;
      if (!address.is_loopback() && !address.is_link_local()) out.push_back({address, at.port});
    }
  }
  return out;
}

// Whether asking there would be asking ourselves. Others are missed, behind a service's address for
// one; the resolver finds those out by asking.
bool is_own(const UpstreamAddress& upstream, const std::vector<SocketAddress>& places,
            const std::vector<SocketAddress>& listen) {
  const auto& there = upstream.address;
  if (std::find(places.begin(), places.end(), there) != places.end()) return true;
  return std::any_of(listen.begin(), listen.end(), [&](const SocketAddress& own) {
    return own.address == IpAddress::any(there.address.family()) && own.port == there.port &&
           there.address.is_loopback();
  });
}

Result<std::vector<UpstreamAddress>> given_upstreams(const std::vector<std::string>& list) {
  std::vector<UpstreamAddress> upstreams;
  if (list == std::vector<std::string>{"none"}) return upstreams;
  for (const auto& text : list) {
    const auto upstream = forward::parse_upstream(text);
    if (!upstream) return within("--dns-upstream", upstream.error());
    upstreams.push_back(*upstream);
  }
  return upstreams;
}

}  // namespace

Result<ConfiguredServer> server_from_config(const proxy::config::Dns& config,
                                            std::string_view resolv_conf,
                                            std::span<const IpAddress> local) {
  ConfiguredServer made;
  auto& options = made.options;
  options.listen = config.listen;
  if (config.node_local.size() > node::kMaxAddresses) {
    return invalid(fmt::format("--dns-node-local: more than {} addresses", node::kMaxAddresses));
  }
  options.node_local = config.node_local;
  options.workers = config.workers;
  options.rate_limit = config.rate_limit;
  options.log_queries = config.log_queries;

  const auto domain = cluster_domain(config.cluster_domain);
  if (!domain) return domain.error();
  options.zone.domain = *domain;
  options.zone.ttl = config.ttl;
  options.zone.pod_records = pod_records(config.pod_records);
  options.zone.know_pods = config.autopath;
  options.zone.ignore_empty_service = config.ignore_empty_service;
  options.zone.endpoint_pod_names = config.endpoint_pod_names;
  options.zone.short_names = config.short_names;
  options.zone.namespaces = {config.namespaces.begin(), config.namespaces.end()};

  const auto host = forward::parse_resolv_conf(resolv_conf);
  options.responder.autopath = config.autopath;
  options.responder.search = host.search;
  options.responder.allow = config.allow;
  const auto found_at = places(config, local);
  for (const auto& place : found_at) {
    options.responder.name_server_addresses.push_back(place.address);
  }

  auto upstreams = given_upstreams(config.upstreams);
  if (!upstreams) return upstreams.error();
  if (config.upstreams.empty()) {
    for (const auto& server : host.name_servers) upstreams->push_back({server, false, {}});
  }
  for (const auto& upstream : *upstreams) {
    if (is_own(upstream, found_at, config.listen)) {
      made.warnings.push_back(
          fmt::format("dns: upstream {} is this server itself; it is not used", upstream.text()));
    } else {
      options.forward.upstreams.push_back(upstream);
    }
  }
  for (const auto& text : config.stub_domains) {
    if (auto added = add_stub_domain(text, options.forward.stub_domains); !added) {
      return added.error();
    }
  }
  options.forward.cache = config.cache;
  return made;
}

}  // namespace dns::serve
