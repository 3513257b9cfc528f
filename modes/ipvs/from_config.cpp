#include "modes/ipvs/from_config.hpp"

#include "modes/iptables/from_config.hpp"

namespace modes::ipvs {

proxy::Result<Settings> settings_from(const proxy::config::Config& config) {
  auto scheduler = parse_scheduler(config.ipvs.scheduler);
  if (!scheduler) return within("--ipvs-scheduler", scheduler.error());
  return Settings{.local = iptables::settings_from(config).local,
                  .masquerade_all = config.masquerade_all,
                  .masquerade_bit = config.masquerade_bit,
                  .node_port_addresses = config.node_port_addresses,
                  .scheduler = std::move(*scheduler),
                  .exclude_cidrs = config.ipvs.exclude_cidrs,
                  .strict_arp = config.ipvs.strict_arp,
                  .tcp_timeout = config.ipvs.tcp_timeout,
                  .tcp_fin_timeout = config.ipvs.tcp_fin_timeout,
                  .udp_timeout = config.ipvs.udp_timeout,
                  .drain_limit = config.ipvs.drain_limit};
}

}  // namespace modes::ipvs
