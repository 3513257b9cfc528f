#include "modes/iptables/from_config.hpp"

namespace modes::iptables {
namespace {

using proxy::config::DetectLocalMode;

LocalDetector detector(const proxy::config::DetectLocal& detect) {
  switch (detect.mode) {
    case DetectLocalMode::cluster_cidr:
      return LocalByPrefix{detect.cluster_cidrs};
    case DetectLocalMode::node_cidr:
      return LocalByNodePrefix{};
    case DetectLocalMode::bridge_interface:
      return LocalByInterface{detect.bridge_interface};
    case DetectLocalMode::interface_name_prefix:
      return LocalByInterface{detect.interface_name_prefix + "+"};
  }
  return LocalByPrefix{};
}

}  // namespace

Settings settings_from(const proxy::config::Config& config) {
  return {.local = detector(config.detect_local),
          .masquerade_all = config.masquerade_all,
          .masquerade_bit = config.masquerade_bit,
          .localhost_node_ports = config.localhost_node_ports,
          .node_port_ranges = config.node_port_addresses.ranges,
          .node_ports_on_primary = config.node_port_addresses.primary,
          .only = std::nullopt};
}

}  // namespace modes::iptables
