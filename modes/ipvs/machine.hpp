// Kernel parameters that the mode needs (Documentation/networking/ipvs-sysctl.rst).
#pragma once

#include "modes/ipvs/settings.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace modes::ipvs {

// Name as a path below /proc/sys, and value. Pure. `release` is uname's ("6.1.0-56-amd64").
[[nodiscard]] std::vector<std::pair<std::string, std::string>> kernel_parameters(
    const Settings& settings, std::string_view release);

// Of the running kernel.
[[nodiscard]] std::string kernel_release();

}  // namespace modes::ipvs
