// The ipvs mode's part of the configuration.
#pragma once

#include "proxy/config/config.hpp"
#include "proxy/config/flag_values.hpp"

namespace proxy::config {

[[nodiscard]] Result<Ipvs> ipvs_from_flags(const FlagValues& flags);

}  // namespace proxy::config
