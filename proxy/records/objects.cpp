#include "proxy/records/objects.hpp"

namespace proxy::records {
namespace {

std::unique_ptr<const EndpointExtras> copy(const std::unique_ptr<const EndpointExtras>& extras) {
  return extras ? std::make_unique<const EndpointExtras>(*extras) : nullptr;
}

bool same(const std::unique_ptr<const EndpointExtras>& a,
          const std::unique_ptr<const EndpointExtras>& b) {
  return a && b ? *a == *b : !a && !b;
}

}  // namespace

SliceEndpoint::SliceEndpoint(const SliceEndpoint& other)
    : address{other.address},
      ready{other.ready},
      serving{other.serving},
      terminating{other.terminating},
      node{other.node},
      target_pod{other.target_pod},
      extras{copy(other.extras)} {}

SliceEndpoint& SliceEndpoint::operator=(const SliceEndpoint& other) {
  if (this != &other) *this = SliceEndpoint{other};
  return *this;
}

bool operator==(const SliceEndpoint& a, const SliceEndpoint& b) {
  return a.address == b.address && a.ready == b.ready && a.serving == b.serving &&
         a.terminating == b.terminating && same_text(a.node, b.node) &&
         same_text(a.target_pod, b.target_pod) && same(a.extras, b.extras);
}

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::service:
      return "Service";
    case Kind::endpoint_slice:
      return "EndpointSlice";
    case Kind::endpoints:
      return "Endpoints";
    case Kind::node:
      return "Node";
    case Kind::name_space:
      return "Namespace";
    case Kind::service_cidr:
      return "ServiceCIDR";
    case Kind::pod:
      return "Pod";
  }
  return "";
}

Kind kind_of(const Record& record) {
  return static_cast<Kind>(record.index());
}

const ObjectName& name_of(const Record& record) {
  return std::visit([](const auto& object) -> const ObjectName& { return object.name; }, record);
}

RecordKey key_of(const Record& record) {
  return {kind_of(record), name_of(record)};
}

}  // namespace proxy::records
