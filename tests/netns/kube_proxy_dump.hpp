// What iptables-save prints on a node where kube-proxy runs in iptables mode and forwards the
// service of web_lab.hpp: its shape, names and comments as tests/conformance/naming.yaml has them.
// A service that the cluster no longer has is there too, and a rule of somebody else.
#pragma once

#include "proxy/ip_address.hpp"

#include <string>

namespace netns {

[[nodiscard]] std::string kube_proxy_dump(proxy::Family family);

// Names in it that only kube-proxy's own rules have, by which they are found.
inline constexpr const char* kGoneService = "KUBE-SVC-BNKZ2I4CA53P3O3E";  // of ns1/gone:http
inline constexpr const char* kForeignComment = "somebody else";

}  // namespace netns
