#include "modes/userspace/from_config.hpp"

#include <algorithm>
#include <thread>

namespace modes::userspace {

Settings settings_from(const proxy::config::Config& config) {
  const auto& chosen = config.userspace;
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  return {.listen = chosen.direct ? Listen::direct : Listen::steered,
          .transparent = chosen.transparent,
          .balance = chosen.least_connections ? Balance::least_connections : Balance::round_robin,
          .workers = chosen.workers == 0 ? cores : static_cast<std::size_t>(chosen.workers),
          .local = netfilter::local_detector(config.detect_local),
          .masquerade_all = config.masquerade_all,
          .localhost_node_ports = config.localhost_node_ports,
          .node_port_addresses = config.node_port_addresses,
          .udp_idle = chosen.udp_idle,
          .drain = chosen.drain};
}

}  // namespace modes::userspace
