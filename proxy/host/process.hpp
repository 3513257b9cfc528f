// What a process asks of the kernel about itself and its host, once, at start.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace proxy::host {

// gethostname(2); empty if the host has none.
[[nodiscard]] std::string host_name();

// CPUs that this process may run on; at least 1.
[[nodiscard]] unsigned cpu_count();

// How likely the kernel ends this process when memory runs out, -1000 (never) to 1000. Lowering it
// needs CAP_SYS_RESOURCE.
[[nodiscard]] Result<void> set_oom_score_adj(std::int32_t value);

// The addresses of this host's links that are up, without those of link scope, in order.
[[nodiscard]] std::vector<IpAddress> local_addresses();

}  // namespace proxy::host
