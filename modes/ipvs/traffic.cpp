#include "modes/ipvs/traffic.hpp"

namespace modes::ipvs {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

Labels labels_of(const ServicePortName& name) {
  return {{"namespace", name.service.space},
          {"service", name.service.name},
          {"port", name.port},
          {"protocol", std::string{upper_name(name.protocol)}},
          {"ip_family", std::string{to_string(name.family)}}};
}

void append(const std::string& prefix, const Labels& labels, const Statistics& statistics,
            std::vector<Mode::Figure>& to) {
  const auto counter = [&](const char* what, std::uint64_t value) {
    to.push_back({prefix + what + "_total", labels, static_cast<double>(value)});
  };
  counter("connections", statistics.connections);
  counter("incoming_packets", statistics.packets_in);
  counter("outgoing_packets", statistics.packets_out);
  counter("incoming_bytes", statistics.bytes_in);
  counter("outgoing_bytes", statistics.bytes_out);
}

}  // namespace

void TrafficFigures::update(const Observed& seen, const Holdings& holdings) {
  services_.clear();
  for (const auto& [key, server] : seen) {
    const auto owner = holdings.servers.find(key);
    if (!owner) continue;
    auto& service = services_[*owner];
    service.statistics += server.statistics;
    for (const auto& real : server.real_servers) {
      auto& endpoint = service.endpoints[real.server.endpoint];
      endpoint.statistics += real.statistics;
      endpoint.active += real.active;
      endpoint.inactive += real.inactive;
    }
  }
}

void TrafficFigures::append_to(std::vector<Mode::Figure>& figures) const {
  for (const auto& [name, service] : services_) {
    const auto labels = labels_of(name);
    append("viaduct_ipvs_service_", labels, service.statistics, figures);
    for (const auto& [endpoint, traffic] : service.endpoints) {
      auto with_endpoint = labels;
      with_endpoint.emplace_back("endpoint", endpoint.text());
      append("viaduct_ipvs_endpoint_", with_endpoint, traffic.statistics, figures);
      figures.push_back({"viaduct_ipvs_endpoint_active_connections", with_endpoint,
                         static_cast<double>(traffic.active)});
      figures.push_back({"viaduct_ipvs_endpoint_inactive_connections", with_endpoint,
                         static_cast<double>(traffic.inactive)});
    }
  }
}

}  // namespace modes::ipvs
