#include "modes/iptables/from_config.hpp"

namespace modes::iptables {

Settings settings_from(const proxy::config::Config& config) {
  return {.local = netfilter::local_detector(config.detect_local),
          .masquerade_all = config.masquerade_all,
          .masquerade_bit = config.masquerade_bit,
          .localhost_node_ports = config.localhost_node_ports,
          .node_port_addresses = config.node_port_addresses,
          .only = std::nullopt};
}

}  // namespace modes::iptables
