// Text from outside (names in records, files, the network) made safe to print on one line.
#pragma once

#include <string>
#include <string_view>

namespace proxy {

// `text` with everything escaped that would end a log line, move a terminal's cursor or change the
// reading direction: C0 and C1 controls, DEL, the bidirectional overrides and isolates, line and
// paragraph separators, and bytes that are not UTF-8, as \n, \t or \xNN per byte. All else,
// backslashes too, stays: the result is for reading, not for parsing back.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace proxy
