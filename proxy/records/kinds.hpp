// One reader per kind of object: fields in, struct out. What is wrong is in the Reading.
//
// Each fills in the defaults that the API server would have, and decides about a single bad address
// in a list as kube-proxy does: it is left out, the object stays.
#pragma once

#include "proxy/records/fields.hpp"
#include "proxy/records/objects.hpp"

namespace proxy::records::json {

// What all kinds share, already checked.
struct ObjectSource {
  const Fields& root;
  const Fields& metadata;
  SharedTexts& shared;
};

// Leave `name` to the caller.
[[nodiscard]] Service read_service(const ObjectSource& source);
[[nodiscard]] EndpointSlice read_endpoint_slice(const ObjectSource& source);
[[nodiscard]] Endpoints read_endpoints(const ObjectSource& source);
[[nodiscard]] records::Node read_node(const ObjectSource& source);
[[nodiscard]] ServiceCidr read_service_cidr(const ObjectSource& source);
[[nodiscard]] Pod read_pod(const ObjectSource& source);

// An EndpointSlice may hold host names instead of addresses; those are of no use here.
[[nodiscard]] bool is_fqdn_slice(const Fields& root);

// What the two kinds of endpoints have in common.
[[nodiscard]] SlicePort read_endpoint_port(const Fields& port);
[[nodiscard]] SharedText read_target_pod(const Fields& endpoint);  // targetRef of kind Pod

}  // namespace proxy::records::json
