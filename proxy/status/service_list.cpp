#include "proxy/status/service_list.hpp"

#include "proxy/status/health.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace proxy::status {
namespace {

using state::Endpoint;
using state::EndpointList;
using state::ServicePort;
using state::ServicePortName;

// Of a service with more, the first are shown and the others counted.
constexpr std::size_t kMostEndpoints = 32;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool holds(const EndpointList& endpoints, const IpAddress& ip) {
  return std::ranges::any_of(endpoints, [&](const auto& e) { return e.address == ip; });
}

class Filter {
 public:
  explicit Filter(const ServiceQuery& query) : text_{query.filter}, fare_{query.fare} {
    std::ranges::transform(text_, text_.begin(), lower);
    if (const auto ip = parse_ip(query.filter)) ip_ = *ip;
  }
  [[nodiscard]] bool passes(Fare fare) const { return !fare_ || *fare_ == fare; }
  [[nodiscard]] bool passes(const ServicePortName& name, const ServicePort& port) const {
    if (text_.empty()) return true;
    return ip_ ? has_ip(port) : has_text(name);
  }

 private:
  [[nodiscard]] bool has_text(const ServicePortName& name) const {
    const auto full = name.text();
    return !std::ranges::search(full, text_, {}, lower).empty();
  }
  [[nodiscard]] bool has_ip(const ServicePort& port) const {
    return port.cluster_ip == *ip_ || std::ranges::count(port.external_ips, *ip_) != 0 ||
           std::ranges::count(port.load_balancer_ips, *ip_) != 0 ||
           holds(port.serving_endpoints, *ip_) || holds(port.cluster_endpoints, *ip_) ||
           holds(port.local_endpoints, *ip_);
  }

  std::string text_;
  std::optional<Fare> fare_;
  std::optional<IpAddress> ip_;
};

bool lacks_endpoints(const ServicePort& port) {
  return port.internal_endpoints().empty() ||
         (port.externally_accessible() && port.external_endpoints().empty());
}

std::string_view policy_text(state::TrafficPolicy policy) {
  return policy == state::TrafficPolicy::local ? "Local" : "Cluster";
}

void write_vips(JsonWriter& json, const ServicePort& port) {
  json.key("vips").begin_array();
  const auto vip = [&](const std::string& address, std::string_view role) {
    json.begin_object();
    json.key("address").text(address);
    json.key("role").text(role);
    json.end_object();
  };
  vip(Endpoint{port.cluster_ip, port.port}.text(), "cluster IP");
  for (const auto& ip : port.external_ips) vip(Endpoint{ip, port.port}.text(), "external IP");
  for (const auto& ip : port.load_balancer_ips) {
    vip(Endpoint{ip, port.port}.text(), "load balancer IP");
  }
  if (port.node_port) vip(std::to_string(port.node_port->value), "node port");
  json.end_array();
}

// All endpoints that get traffic or could: usable by either policy, or serving.
std::vector<Endpoint> all_endpoints(const ServicePort& port) {
  std::vector<Endpoint> all;
  for (const auto* list :
       {&port.cluster_endpoints, &port.local_endpoints, &port.serving_endpoints}) {
    all.insert(all.end(), list->begin(), list->end());
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

// Who sends to it: "all", "internal" or "external" traffic alone, or "none": it serves, and
// policies or topology keep this node's traffic from it.
std::string_view use_of(const Endpoint& endpoint, const ServicePort& port) {
  const bool internal = port.internal_endpoints().contains(endpoint);
  if (!port.externally_accessible()) return internal ? "all" : "none";
  const bool external = port.external_endpoints().contains(endpoint);
  if (internal && external) return "all";
  return internal ? "internal" : external ? "external" : "none";
}

void write_counts(JsonWriter& json, const modes::TrafficCounts& counts) {
  const auto put = [&](std::string_view name, const std::optional<std::uint64_t>& count) {
    if (count) json.key(name).number(static_cast<std::int64_t>(*count));
  };
  put("connections", counts.connections);
  put("open", counts.open);
  put("refused", counts.refused);
  put("bytesIn", counts.bytes_in);
  put("bytesOut", counts.bytes_out);
}

void write_traffic(JsonWriter& json, const modes::Traffic& traffic) {
  json.key("traffic").begin_object();
  write_counts(json, traffic.total);
  if (traffic.since) {
    json.key("since").text(rfc3339(*traffic.since));
  }
  json.end_object();
}

// Of an endpoint that was not met yet the same is known as of the service port, and it is nothing.
modes::TrafficCounts nothing_of(modes::TrafficCounts known) {
  for (auto* count :
       {&known.connections, &known.open, &known.refused, &known.bytes_in, &known.bytes_out}) {
    if (*count) *count = 0;
  }
  return known;
}

void write_traffic(JsonWriter& json, const modes::Traffic& traffic, const Endpoint& endpoint) {
  const auto it = traffic.endpoints.find(endpoint);
  json.key("traffic").begin_object();
  write_counts(json, it == traffic.endpoints.end() ? nothing_of(traffic.total) : it->second);
  json.end_object();
}

void write_endpoints(JsonWriter& json, const ServicePort& port, const modes::Traffic& traffic) {
  const auto all = all_endpoints(port);
  json.key("endpointCount").number(static_cast<std::int64_t>(all.size()));
  json.key("endpoints").begin_array();
  for (std::size_t i = 0; i < std::min(all.size(), kMostEndpoints); ++i) {
    json.begin_object();
    json.key("address").text(all[i].text());
    json.key("use").text(use_of(all[i], port));
    write_traffic(json, traffic, all[i]);
    json.end_object();
  }
  json.end_array();
}

void write_row(JsonWriter& json, const ServicePortName& name, const ServicePort& port, Fare fare,
               const modes::Traffic& traffic) {
  json.begin_object();
  json.key("name").text(name.text());
  json.key("protocol").text(upper_name(name.protocol));
  json.key("family").text(to_string(name.family));
  json.key("state").text(to_string(fare));
  json.key("internalPolicy").text(policy_text(port.internal_policy));
  if (port.externally_accessible()) {
    json.key("externalPolicy").text(policy_text(port.external_policy));
  }
  if (port.affinity) json.key("affinitySeconds").number(std::int64_t{port.affinity->count()});
  write_traffic(json, traffic);
  write_vips(json, port);
  write_endpoints(json, port, traffic);
  json.end_object();
}

}  // namespace

Fare fare_of(const ServicePortName& name, const ServicePort& port,
             const sync::SetAsideBook& set_aside) {
  if (set_aside.all().contains(name)) return Fare::refused;
  if (!port.has_any_endpoint) return Fare::down;
  return lacks_endpoints(port) ? Fare::partial : Fare::up;
}

namespace {

struct Found {
  std::array<std::size_t, 4> by_fare{};  // of all that the text chooses
  std::size_t matching = 0;
};

// Calls `visit` for each service port of the page.
template <class Visit>
Found for_each_of_page(const state::ServiceTable& table, const sync::SetAsideBook& set_aside,
                       const ServiceQuery& query, Visit visit) {
  const Filter filter{query};
  Found found;
  table.for_each([&](const ServicePortName& name, const ServicePort& port) {
    if (!filter.passes(name, port)) return;
    const auto fare = fare_of(name, port, set_aside);
    ++found.by_fare[static_cast<std::size_t>(fare)];
    if (!filter.passes(fare)) return;
    const auto place = found.matching++;
    if (place < query.offset || place - query.offset >= query.limit) return;
    visit(name, port, fare);
  });
  return found;
}

}  // namespace

std::vector<ServicePortName> page_of_services(const state::ServiceTable& table,
                                              const sync::SetAsideBook& set_aside,
                                              const ServiceQuery& query) {
  std::vector<ServicePortName> out;
  for_each_of_page(
      table, set_aside, query,
      [&](const ServicePortName& name, const ServicePort&, Fare) { out.push_back(name); });
  return out;
}

void write_services(JsonWriter& json, const state::ServiceTable& table,
                    const sync::SetAsideBook& set_aside, const ServiceQuery& query,
                    const TrafficOf& traffic) {
  static const modes::Traffic kUnknown;
  json.key("services").begin_object();
  json.key("rows").begin_array();
  const auto found = for_each_of_page(
      table, set_aside, query,
      [&](const ServicePortName& name, const ServicePort& port, Fare fare) {
        const auto it = traffic.find(name);
        write_row(json, name, port, fare, it == traffic.end() ? kUnknown : *it->second);
      });
  json.end_array();
  json.key("matching").number(static_cast<std::int64_t>(found.matching));
  json.key("offset").number(static_cast<std::int64_t>(query.offset));
  json.key("byState").begin_object();
  for (const auto fare : {Fare::up, Fare::partial, Fare::down, Fare::refused}) {
    json.key(to_string(fare))
        .number(static_cast<std::int64_t>(found.by_fare[static_cast<std::size_t>(fare)]));
  }
  json.end_object();
  json.end_object();
}

}  // namespace proxy::status
