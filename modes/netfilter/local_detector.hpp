// How traffic of this node's own pods is told from all other (--detect-local-mode).
#pragma once

#include "proxy/config/config.hpp"
#include "proxy/ip_address.hpp"

#include <string>
#include <variant>
#include <vector>

namespace modes::netfilter {

struct LocalByPrefix {  // ClusterCIDR: at most one prefix a family; a family without: can't tell
  std::vector<proxy::IpPrefix> prefixes;
};
struct LocalByNodePrefix {};  // NodeCIDR: the pod CIDRs of this node's Node object
struct LocalByInterface {     // BridgeInterface "cbr0", or InterfaceNamePrefix as "veth+"
  std::string pattern;
};
using LocalDetector = std::variant<LocalByPrefix, LocalByNodePrefix, LocalByInterface>;

[[nodiscard]] LocalDetector local_detector(const proxy::config::DetectLocal& detect);

}  // namespace modes::netfilter
