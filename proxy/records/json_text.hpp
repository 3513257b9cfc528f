// Finds where the values of a JSON text begin and end, without reading what is in them.
//
// A list of ten thousand objects is cut into objects here, so that each is parsed, and fails, alone
// and the parser's memory follows the largest object instead of the file. What is returned is a
// view into the text given. Only brackets, quotes and commas are looked at: a piece may still be
// nonsense, which its parser finds; iterative, so that no nesting exhausts the stack.
#pragma once

#include "proxy/result.hpp"

#include <string_view>
#include <vector>

namespace proxy::records::json {

struct Member {
  std::string_view key;    // between its quotes, escapes as written
  std::string_view value;  // from its first to its last character
};

// The values that follow each other in `text`, blanks (RFC 8259 §2) around them dropped. Fails if
// the text ends within a value (a file written only half) or has a stray bracket.
[[nodiscard]] Result<std::vector<std::string_view>> values(std::string_view text);

// The elements of an array. Fails if `array` is none, or is not well-formed between its elements.
[[nodiscard]] Result<std::vector<std::string_view>> elements(std::string_view array);

// The members of an object, in order, keys that come twice included. Fails likewise.
[[nodiscard]] Result<std::vector<Member>> members(std::string_view object);

}  // namespace proxy::records::json
