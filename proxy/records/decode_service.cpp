// core/v1 Service (Kubernetes API reference, "Service v1 core").
#include "proxy/records/kinds.hpp"
#include "proxy/records/names.hpp"

#include <algorithm>

namespace proxy::records::json {
namespace {

// One of several words; empty counts as absent and gives the first one's meaning.
template <class T, std::size_t N>
T read_word(const Fields& fields, std::string_view key, std::string_view noun,
            const std::pair<std::string_view, T> (&words)[N]) {
  const auto value = fields[key];
  const auto text = value ? value->text() : std::string_view{};
  if (text.empty()) return words[0].second;
  for (const auto& [word, meaning] : words) {
    if (text == word) return meaning;
  }
  value->fail(in_quotes(text) + " is not " + std::string{noun});
  return words[0].second;
}

ServiceType read_type(const Fields& spec) {
  return read_word<ServiceType>(spec, "type", "a type of Service",
                                {{"ClusterIP", ServiceType::cluster_ip},
                                 {"NodePort", ServiceType::node_port},
                                 {"LoadBalancer", ServiceType::load_balancer},
                                 {"ExternalName", ServiceType::external_name}});
}

TrafficPolicy read_policy(const Fields& spec, std::string_view key) {
  return read_word<TrafficPolicy>(
      spec, key, "a traffic policy",
      {{"Cluster", TrafficPolicy::cluster}, {"Local", TrafficPolicy::local}});
}

// Only the name of a port that a container has can stand here; a number in quotes is a mistake that
// the API server refuses too.
bool is_port_name(std::string_view name) {
  return is_dns_label(name) &&
         std::ranges::any_of(name, [](char c) { return c >= 'a' && c <= 'z'; });
}

// targetPort: a port, or the name of one in the pods; 0 and "" mean the service's own port.
std::variant<Port, std::string> read_target_port(const Fields& fields, Port port) {
  const auto value = fields["targetPort"];
  if (!value) return port;
  if (!value->is_text()) return fields.optional_port("targetPort").value_or(port);
  const auto name = value->text();
  if (name.empty()) return port;
  if (!is_port_name(name)) value->fail(in_quotes(name) + " is not the name of a port");
  return std::string{name};
}

ServicePortSpec read_port(const Fields& fields) {
  ServicePortSpec port;
  port.name = fields.dns_label("name");
  port.protocol = fields.protocol("protocol");
  port.port = fields.required_port("port");
  port.node_port = fields.optional_port("nodePort");
  port.target_port = read_target_port(fields, port.port);
  return port;
}

// clusterIPs, or clusterIP where an older object has only that. "None" makes a headless service, ""
// is one that has no address yet. Unlike a bad external IP, a bad one here leaves nothing to
// forward and fails the object.
void read_cluster_ip(const Value& value, Service& service) {
  const auto text = value.text();
  if (text.empty()) return;
  if (text == "None") {
    service.headless = true;
    return;
  }
  const auto address = parse_ip(text);
  if (!address) return value.fail(in_quotes(text) + " is not an IP address");
  service.cluster_ips.push_back(*address);
}

void read_cluster_ips(const Fields& spec, Service& service) {
  if (const auto list = spec["clusterIPs"]) {
    for (const auto& item : list->items()) read_cluster_ip(item, service);
  }
  if (service.cluster_ips.empty() && !service.headless) {
    if (const auto single = spec["clusterIP"]) read_cluster_ip(*single, service);
  }
  if (service.headless && !service.cluster_ips.empty()) {
    spec.fail("clusterIPs", "has both None and an address");
  }
}

// Goes into DNS answers; may end with the dot that makes it absolute, and letters have no case
// there.
std::string_view read_external_name(const Fields& spec) {
  const auto value = spec["externalName"];
  if (!value) return {};
  const auto name = value->text();
  std::string checked{name.ends_with('.') ? name.substr(0, name.size() - 1) : name};
  std::ranges::transform(checked, checked.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  if (!name.empty() && !is_dns_subdomain(checked)) {
    value->fail(in_quotes(name) + " is not a DNS name");
  }
  return name;
}

std::vector<Family> read_families(const Fields& spec) {
  std::vector<Family> families;
  const auto list = spec["ipFamilies"];
  if (!list) return families;
  for (const auto& item : list->items()) {
    const auto name = item.text();
    const auto family = std::ranges::find(kFamilies, name, [](Family f) { return to_string(f); });
    if (family == kFamilies.end()) {
      item.fail(in_quotes(name) + " is not an IP family (IPv4, IPv6)");
    } else if (std::ranges::find(families, *family) != families.end()) {
      item.fail(in_quotes(name) + " comes twice");
    } else {
      families.push_back(*family);
    }
  }
  return families;
}

// If none of the ranges given is one, forwarding would be open to everybody although the object
// says the contrary; rather fail.
std::vector<IpPrefix> read_source_ranges(const Fields& spec) {
  const auto list = spec["loadBalancerSourceRanges"];
  if (!list) return {};
  auto ranges = read_prefixes(*list);
  const auto blank = [](const Value& item) {
    return item.text().find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
  };
  if (ranges.empty() && !std::ranges::all_of(list->items(), blank)) {
    list->fail("none of them is a CIDR (address/bits)");
  }
  return ranges;
}

std::optional<std::chrono::seconds> read_affinity(const Fields& spec) {
  constexpr std::int64_t kDefault = 3 * 60 * 60;  // DefaultClientIPServiceAffinitySeconds
  constexpr std::int64_t kMost = 24 * 60 * 60;    // MaxClientIPServiceAffinitySeconds
  if (!read_word<bool>(spec, "sessionAffinity", "a session affinity (None, ClientIP)",
                       {{"None", false}, {"ClientIP", true}})) {
    return std::nullopt;
  }
  const auto config = spec.object("sessionAffinityConfig");
  const auto client_ip = config.object("clientIP");
  const auto timeout = client_ip["timeoutSeconds"];
  return std::chrono::seconds{
      timeout ? timeout->integer(1, kMost, "a time-out (1 to 86400 seconds)") : kDefault};
}

std::vector<LoadBalancerIngress> read_ingress(const Fields& root) {
  std::vector<LoadBalancerIngress> ingress;
  const auto status = root.object("status");
  const auto load_balancer = status.object("loadBalancer");
  const auto list = load_balancer["ingress"];
  if (!list) return ingress;
  for (const auto& item : list->items()) {
    const auto fields = item.fields();
    LoadBalancerIngress one;
    if (const auto ip = fields["ip"]) one.ip = read_address(*ip);
    one.is_vip = read_word<bool>(fields, "ipMode", "an IP mode (VIP, Proxy)",
                                 {{"VIP", true}, {"Proxy", false}});
    ingress.push_back(one);
  }
  return ingress;
}

// Those that something here reads. kubectl's copy of the whole manifest is among the others.
Labels read_annotations(const Fields& metadata) {
  auto annotations = metadata.labels("annotations");
  std::erase_if(annotations, [](const auto& annotation) {
    return !annotation.first.starts_with("viaduct.io/") &&
           !annotation.first.starts_with("service.kubernetes.io/");
  });
  return annotations;
}

}  // namespace

Service read_service(const ObjectSource& source) {
  Service service;
  service.labels = source.metadata.labels("labels");
  service.annotations = read_annotations(source.metadata);

  const auto spec = source.root.object("spec");
  service.type = read_type(spec);
  read_cluster_ips(spec, service);
  service.ip_families = read_families(spec);
  if (const auto list = spec["ports"]) {
    const auto items = list->items();
    service.ports.reserve(items.size());
    for (const auto& item : items) service.ports.push_back(read_port(item.fields()));
  }
  service.selector = spec.labels("selector");
  if (const auto list = spec["externalIPs"]) service.external_ips = read_addresses(*list);
  service.external_name = read_external_name(spec);
  service.load_balancer_source_ranges = read_source_ranges(spec);
  service.load_balancer_ingress = read_ingress(source.root);
  service.client_ip_affinity = read_affinity(spec);
  service.internal_policy = read_policy(spec, "internalTrafficPolicy");
  service.external_policy = read_policy(spec, "externalTrafficPolicy");
  service.health_check_node_port = spec.optional_port("healthCheckNodePort");
  service.publish_not_ready_addresses = spec.boolean("publishNotReadyAddresses", false);
  return service;
}

}  // namespace proxy::records::json
