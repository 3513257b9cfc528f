// YAML to JSON as kubectl does it before it looks at what the YAML says.
//
// Scalars without quotes follow YAML 1.1 (yaml_scalar.hpp), quoted ones are strings, keys become
// strings, aliases and merge keys (<<) are expanded. yaml-cpp's events are written out as they
// come, without its tree of nodes, which costs more time and some 50 times the memory.
#pragma once

#include "proxy/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::records {

struct YamlLimits {
  // Bytes of JSON that aliases and merge keys may add up to: a few lines of them can stand for
  // gigabytes.
  std::size_t expansion = std::size_t{8} << 20;
};

// The JSON texts of the documents in `yaml`, which is UTF-8; documents without content are left
// out. `first_line` is the number of the text's first line in its file. The error, if there is one,
// begins with "line N:". Keys that come twice in a mapping are an error.
[[nodiscard]] Result<std::vector<std::string>> yaml_to_json(std::string_view yaml,
                                                            std::size_t first_line = 1,
                                                            YamlLimits limits = {});

}  // namespace proxy::records
