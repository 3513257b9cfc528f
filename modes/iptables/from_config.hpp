// The iptables mode's settings as the configuration has them.
#pragma once

#include "modes/iptables/settings.hpp"
#include "proxy/config/config.hpp"

namespace modes::iptables {

[[nodiscard]] Settings settings_from(const proxy::config::Config& config);

}  // namespace modes::iptables
