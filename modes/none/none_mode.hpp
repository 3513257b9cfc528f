// The mode that forwards nothing: for a node that only answers DNS (--proxy-mode=none).
#pragma once

#include "modes/mode.hpp"

#include <memory>

namespace modes::none {

// Every sync succeeds without touching anything; nobody ever interferes.
[[nodiscard]] std::unique_ptr<Mode> make_mode();

}  // namespace modes::none
