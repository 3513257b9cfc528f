// The flags that were given to a whole, valid Config.
//
// Pure. The rules of what is valid are kube-proxy's ("configuration.validation" in
// tests/conformance/naming.yaml); what it would refuse is refused, naming the flag.
#pragma once

#include "proxy/config/config.hpp"
#include "proxy/config/flag_values.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace proxy::config {

// `host_name` as the kernel has it; the node's name unless a flag says otherwise. Fails on the
// first mistake with an error that begins with the flag.
[[nodiscard]] Result<Config> config_from_flags(const FlagValues& flags, std::string_view host_name);

// For `check`, which reads only some of the flags and needs no mode, server or kernel.
[[nodiscard]] Result<Config> config_for_check(const FlagValues& flags, std::string_view host_name);

// What the user should know about flags that were given: those without effect, with the reason,
// and deprecated ones. One line each, in the order of the table.
[[nodiscard]] std::vector<std::string> warnings(const FlagValues& flags);

}  // namespace proxy::config
