// A small file as a whole: certificates, tokens, kubeconfigs.
#pragma once

#include "proxy/result.hpp"

#include <cstddef>
#include <string>

namespace proxy::sources::kubernetes {

inline constexpr std::size_t kLargestFile = std::size_t{4} << 20;  // bytes

// Fails with the path and the errno, and for a file beyond `largest`.
[[nodiscard]] Result<std::string> whole_file(const std::string& path,
                                             std::size_t largest = kLargestFile);

}  // namespace proxy::sources::kubernetes
