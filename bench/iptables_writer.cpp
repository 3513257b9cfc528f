#include "bench/iptables_writer.hpp"

#include "bench/synthetic_cluster.hpp"
#include "modes/iptables/iptables_mode.hpp"

namespace bench {

IptablesWriter::IptablesWriter() {
  modes::iptables::Settings settings;
  settings.local = modes::iptables::LocalByPrefix{{cluster_cidr()}};
  use(modes::iptables::make_iptables_mode(executor(), settings, [](const auto&) {}));
}

}  // namespace bench
