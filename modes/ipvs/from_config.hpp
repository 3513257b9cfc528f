// The ipvs mode's settings as the configuration has them.
#pragma once

#include "modes/ipvs/settings.hpp"
#include "proxy/config/config.hpp"
#include "proxy/result.hpp"

namespace modes::ipvs {

// Fails for a scheduler that there is not.
[[nodiscard]] proxy::Result<Settings> settings_from(const proxy::config::Config& config);

}  // namespace modes::ipvs
