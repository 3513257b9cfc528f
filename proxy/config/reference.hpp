// The command line and the configuration file as documents, made from the tables that the parser
// goes by, so that none of them can be out of date.
#pragma once

#include "proxy/result.hpp"

#include <string>
#include <string_view>

namespace proxy::config {

// `form` is "text" (also when empty, what `viaduct help` prints), "man" (troff with the man macros,
// section 8), "bash" or "zsh" (completions), or "markdown" (docs/configuration.md). Fails for any
// other.
[[nodiscard]] Result<std::string> reference(std::string_view form);

}  // namespace proxy::config
