// The userspace mode's settings as the configuration has them.
#pragma once

#include "modes/userspace/settings.hpp"
#include "proxy/config/config.hpp"

namespace modes::userspace {

[[nodiscard]] Settings settings_from(const proxy::config::Config& config);

}  // namespace modes::userspace
