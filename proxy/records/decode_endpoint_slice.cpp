// discovery.k8s.io/v1 EndpointSlice (Kubernetes API reference, "EndpointSlice v1 discovery").
#include "proxy/records/kinds.hpp"
#include "proxy/records/names.hpp"
#include "proxy/records/timestamp.hpp"

namespace proxy::records::json {
namespace {

std::vector<std::string> read_hints(const Fields& hints, std::string_view key) {
  std::vector<std::string> names;
  const auto list = hints[key];
  if (!list) return names;
  for (const auto& item : list->items()) {
    const auto name = item.fields().text("name");
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

std::unique_ptr<const EndpointExtras> read_extras(const Fields& endpoint) {
  EndpointExtras extras;
  extras.hostname = endpoint.dns_subdomain("hostname");
  const auto hints = endpoint.object("hints");
  extras.zone_hints = read_hints(hints, "forZones");
  extras.node_hints = read_hints(hints, "forNodes");
  if (extras == EndpointExtras{}) return nullptr;
  return std::make_unique<const EndpointExtras>(std::move(extras));
}

// The only address that counts is the first. One that is missing, is none or is of the other family
// takes its endpoint with it, not the slice, as in kube-proxy.
std::optional<IpAddress> read_first_address(const Fields& endpoint, Family family) {
  const auto list = endpoint["addresses"];
  const auto items = list ? list->items() : std::vector<Value>{};
  if (items.empty()) {
    endpoint.reading().remark(endpoint.path(), "has no address");
    return std::nullopt;
  }
  const auto address = read_address(items.front());
  if (address && address->family() != family) {
    items.front().remark(address->text() + " is not of the slice's address type");
    return std::nullopt;
  }
  return address;
}

std::optional<SliceEndpoint> read_endpoint(const Fields& fields, Family family,
                                           SharedTexts& shared) {
  const auto address = read_first_address(fields, family);
  if (!address) return std::nullopt;
  SliceEndpoint endpoint;
  endpoint.address = *address;
  const auto conditions = fields.object("conditions");
  endpoint.ready = conditions.boolean("ready", true);
  endpoint.serving = conditions.boolean("serving", true);
  endpoint.terminating = conditions.boolean("terminating", false);
  endpoint.node = shared.get(fields.dns_subdomain("nodeName"));
  endpoint.target_pod = read_target_pod(fields);
  endpoint.extras = read_extras(fields);
  return endpoint;
}

Family read_family(const Fields& root) {
  const auto type = root["addressType"];
  if (!type) {
    root.fail("addressType", "is missing");
    return Family::v4;
  }
  for (const auto family : kFamilies) {
    if (type->text() == to_string(family)) return family;
  }
  type->fail(in_quotes(type->text()) + " is not an address type (IPv4, IPv6, FQDN)");
  return Family::v4;
}

}  // namespace

SlicePort read_endpoint_port(const Fields& port) {
  return {.name = std::string{port.dns_label("name")},
          .protocol = port.protocol("protocol"),
          .port = port.optional_port("port")};
}

SharedText read_target_pod(const Fields& endpoint) {
  const auto target = endpoint.object("targetRef");
  if (target.text("kind") != "Pod") return nullptr;
  const auto name = target.dns_subdomain("name");
  // Not shared between objects: each pod has a name of its own.
  return name.empty() ? nullptr : std::make_shared<const std::string>(name);
}

bool is_fqdn_slice(const Fields& root) {
  const auto type = root["addressType"];
  return type && type->is_text() && type->text() == "FQDN";
}

EndpointSlice read_endpoint_slice(const ObjectSource& source) {
  EndpointSlice slice;
  const auto labels = source.metadata.object("labels");
  slice.service = labels.text("kubernetes.io/service-name");
  slice.headless_label = labels.has("service.kubernetes.io/headless");
  const auto annotations = source.metadata.object("annotations");
  if (const auto time = annotations["endpoints.kubernetes.io/last-change-trigger-time"]) {
    slice.last_change_trigger = parse_rfc3339(time->text());
    if (!slice.last_change_trigger) time->remark(in_quotes(time->text()) + " is not a time");
  }

  slice.family = read_family(source.root);
  if (const auto list = source.root["ports"]) {
    for (const auto& item : list->items()) slice.ports.push_back(read_endpoint_port(item.fields()));
  }
  if (const auto list = source.root["endpoints"]) {
    const auto items = list->items();
    slice.endpoints.reserve(items.size());
    for (const auto& item : items) {
      auto endpoint = read_endpoint(item.fields(), slice.family, source.shared);
      if (endpoint) slice.endpoints.push_back(std::move(*endpoint));
    }
  }
  return slice;
}

}  // namespace proxy::records::json
