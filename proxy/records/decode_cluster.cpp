// core/v1 Node and networking.k8s.io ServiceCIDR: what the cluster itself is made of.
#include "proxy/records/kinds.hpp"

namespace proxy::records::json {
namespace {

std::vector<IpAddress> read_ips(const Fields& status) {
  std::vector<IpAddress> addresses;
  const auto list = status["addresses"];
  if (!list) return addresses;
  const auto items = list->items();
  for (const std::string_view type : {"InternalIP", "ExternalIP"}) {
    for (const auto& item : items) {
      const auto fields = item.fields();
      if (fields.text("type") != type) continue;
      const auto text = fields["address"];
      const auto address = text ? read_address(*text) : std::nullopt;
      if (address) addresses.push_back(*address);
    }
  }
  return addresses;
}

std::vector<IpPrefix> read_pod_cidrs(const Fields& spec) {
  if (const auto list = spec["podCIDRs"]) {
    if (auto cidrs = read_prefixes(*list); !cidrs.empty()) return cidrs;
  }
  const auto single = spec["podCIDR"];
  const auto cidr = single ? read_prefix(*single) : std::nullopt;
  return cidr ? std::vector{*cidr} : std::vector<IpPrefix>{};
}

}  // namespace

records::Node read_node(const ObjectSource& source) {
  records::Node node;
  node.labels = source.metadata.labels("labels");
  node.being_deleted = source.metadata["deletionTimestamp"].has_value();
  const auto status = source.root.object("status");
  node.ips = read_ips(status);
  const auto spec = source.root.object("spec");
  node.pod_cidrs = read_pod_cidrs(spec);
  if (const auto list = spec["taints"]) {
    for (const auto& item : list->items()) node.taints.emplace_back(item.fields().text("key"));
  }
  return node;
}

ServiceCidr read_service_cidr(const ObjectSource& source) {
  ServiceCidr cidr;
  const auto spec = source.root.object("spec");
  if (const auto list = spec["cidrs"]) cidr.cidrs = read_prefixes(*list);
  return cidr;
}

}  // namespace proxy::records::json
