// Tells when one file is written to or renamed (inotify(7)): what kube-proxy ends for when it
// happens to its configuration file.
#pragma once

#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <string>

namespace proxy::host {

// A descriptor that becomes readable then, and stays so. Follows a symbolic link to its file, as
// kube-proxy does: a ConfigMap that swaps its folder is not noticed.
[[nodiscard]] Result<UniqueFd> watch_file(const std::string& path);

}  // namespace proxy::host
