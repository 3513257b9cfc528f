// Is this text at all?
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace proxy::records {

// Where the first byte is that does not belong into a text file: malformed UTF-8 (RFC 3629; no
// surrogates, no overlong forms) or a control character other than tab, line feed and carriage
// return. nullopt: all is well.
[[nodiscard]] std::optional<std::size_t> find_not_text(std::string_view bytes);

}  // namespace proxy::records
