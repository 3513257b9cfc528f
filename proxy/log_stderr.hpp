// The log on standard error, through spdlog.
#pragma once

#include "proxy/log.hpp"

#include <memory>

namespace proxy {

// Lines "2026-01-31T12:00:00.123Z warning text". Thread-safe. Never fails: a standard error that is
// closed loses the lines, not the daemon.
[[nodiscard]] std::unique_ptr<Log> stderr_log(int verbosity);

}  // namespace proxy
