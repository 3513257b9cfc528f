// What a YAML scalar without quotes is, by the rules of YAML 1.1 as kubectl has them: yes is true,
// 017 is fifteen, 1.2.3.4 is a string. Source: YAML 1.1 type repository, less base 60 and
// timestamps, which kubectl keeps as strings.
#pragma once

#include "proxy/result.hpp"

#include <string>
#include <string_view>

namespace proxy::records {

// The scalar as a JSON value. Fails for infinity and for what is not a number, which JSON lacks.
[[nodiscard]] Result<std::string> json_of_plain_scalar(std::string_view text);

// `text` (UTF-8) between quotes.
void append_json_string(std::string& json, std::string_view text);

}  // namespace proxy::records
