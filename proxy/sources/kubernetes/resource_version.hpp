// metadata.resourceVersion of an object.
//
// Opaque to most, but the versions of built-in kinds are decimal numbers that grow (KEP-5504),
// which is all that tells an event that was overtaken by a newer one.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace proxy::sources::kubernetes {

class ResourceVersion {
 public:
  ResourceVersion() = default;  // unknown: neither older nor newer than anything
  explicit ResourceVersion(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed == std::errc{} && end == text.data() + text.size()) number_ = number;
  }

  // False unless both are numbers.
  [[nodiscard]] bool is_older_than(ResourceVersion other) const {
    return number_ != 0 && other.number_ != 0 && number_ < other.number_;
  }

 private:
  std::uint64_t number_ = 0;
};

}  // namespace proxy::sources::kubernetes
