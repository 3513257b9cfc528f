// Kernel parameters: /proc/sys as the process's network namespace has it, and /sys/module.
#pragma once

#include "proxy/result.hpp"

#include <string>

namespace modes::netfilter {

// `name` as a path: "net/ipv4/ip_forward". Without the newline.
[[nodiscard]] proxy::Result<std::string> read_sysctl(const std::string& name);
// A parameter of a module, or of a part built into the kernel: /sys/module/MODULE/parameters/NAME.
[[nodiscard]] proxy::Result<std::string> read_module_parameter(const std::string& module,
                                                               const std::string& name);
// Writes only if the value differs, so that a read-only /proc/sys with the right value is fine.
[[nodiscard]] proxy::Result<void> write_sysctl(const std::string& name, const std::string& value);

}  // namespace modes::netfilter
