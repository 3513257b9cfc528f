// The flags of the DNS server to their part of the configuration.
#pragma once

#include "proxy/config/config.hpp"
#include "proxy/config/flag_values.hpp"

namespace proxy::config {

// Fails with one line that begins with the flag. Names of domains and upstreams are not looked
// into.
[[nodiscard]] Result<Dns> dns_from_flags(const FlagValues& flags);

}  // namespace proxy::config
