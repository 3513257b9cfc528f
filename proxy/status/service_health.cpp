#include "proxy/status/service_health.hpp"

#include "proxy/status/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace proxy::status {

// One Service: a server per family, so that each answers with its own count.
struct ServiceHealth::Served {
  state::HealthCheck check;
  std::map<Family, std::unique_ptr<HttpServer>> servers;
  std::string failure;  // why there is none; empty if all is well
};

HttpReply service_health_reply(const records::ObjectName& service, std::size_t local_endpoints,
                               bool proxy_healthy) {
  JsonWriter json;
  json.begin_object();
  json.key("service").begin_object();
  json.key("namespace").text(service.space);
  json.key("name").text(service.name);
  json.end_object();
  json.key("localEndpoints").number(static_cast<std::int64_t>(local_endpoints));
  json.key("serviceProxyHealthy").boolean(proxy_healthy);
  json.end_object();
  return {.status = local_endpoints > 0 && proxy_healthy ? 200U : 503U,
          .content_type = "application/json",
          .body = json.take(),
          .headers = {{"X-Content-Type-Options", "nosniff"},
                      {"X-Load-Balancing-Endpoint-Weight", std::to_string(local_endpoints)}}};
}

std::vector<IpAddress> health_check_addresses(const NodePortAddresses& wanted, Family family,
                                              std::span<const IpAddress> local,
                                              std::span<const IpAddress> primary) {
  const auto limits = wanted.limits(family, primary);
  if (limits.empty()) return {IpAddress::any(family)};
  std::vector<IpAddress> addresses;
  for (const auto& address : local) {
    const auto holds = [&](const IpPrefix& range) { return range.contains(address); };
    if (address.family() == family && std::ranges::any_of(limits, holds)) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

ServiceHealth::ServiceHealth(ServiceHealthParts parts) : parts_{std::move(parts)} {}
ServiceHealth::~ServiceHealth() = default;

void ServiceHealth::stop() {
  served_.clear();
}

void ServiceHealth::began(state::ServiceTable& table) {
  // What an earlier sync that failed was to write is still to be shown, unless it changed again.
  for (const auto& service : table.take_health_check_changes()) {
    const auto check = table.health_checks().find(service);
    auto& writing = writing_[service];
    writing.reset();
    if (check != table.health_checks().end()) writing = check->second;
  }
  primary_ = table.primary_ips();
}

void ServiceHealth::written() {
  for (const auto& [service, check] : std::exchange(writing_, {})) show(service, check);
  for (const auto& [service, served] : served_) {
    if (!served->servers.empty()) continue;
    const auto opened = open(service, *served);
    const auto failure = opened ? std::string{} : opened.error().text();
    if (failure == served->failure) continue;
    served->failure = failure;
    if (!failure.empty()) {
      parts_.log.error(fmt::format("Service {}: health check node port {}: {}", service.text(),
                                   served->check.port.value, failure));
    }
  }
}

void ServiceHealth::show(const records::ObjectName& service,
                         const std::optional<state::HealthCheck>& check) {
  if (!check) {
    served_.erase(service);
    return;
  }
  auto& served = served_[service];
  if (!served) served = std::make_unique<Served>();
  const auto families_of = [](const state::HealthCheck& c) {
    return std::pair{c.of(Family::v4).has_value(), c.of(Family::v6).has_value()};
  };
  const bool moved =
      served->check.port != check->port || families_of(served->check) != families_of(*check);
  served->check = *check;
  if (moved) served->servers.clear();  // written() opens what has no server
}

Result<void> ServiceHealth::open(const records::ObjectName& service, Served& served) {
  const auto local = parts_.local_addresses();
  std::map<Family, std::unique_ptr<HttpServer>> servers;
  for (const auto family : kFamilies) {
    if (!served.check.of(family)) continue;
    auto server = std::make_unique<HttpServer>(
        parts_.executor, replying([this, &served, service, family](const HttpRequest&) {
          return service_health_reply(service, served.check.of(family).value_or(0),
                                      parts_.proxy_healthy());
        }));
    for (const auto& address : health_check_addresses(parts_.addresses, family, local, primary_)) {
      const auto listening = server->listen({address, served.check.port}, Reach::own_family);
      if (!listening) return listening.error();  // and with it goes what was opened before
    }
    servers.emplace(family, std::move(server));
  }
  served.servers = std::move(servers);
  return {};
}

std::map<records::ObjectName, std::string> ServiceHealth::failures() const {
  std::map<records::ObjectName, std::string> failures;
  for (const auto& [service, served] : served_) {
    if (!served->failure.empty()) failures.emplace(service, served->failure);
  }
  return failures;
}

}  // namespace proxy::status
