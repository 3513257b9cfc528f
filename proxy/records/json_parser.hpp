// Parses one JSON object at a time with simdjson, whose header stays out of here (it takes three
// seconds to compile).
#pragma once

#include "proxy/result.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace proxy::records::json {

// A value inside the text that a Parser holds: the bits of a simdjson::dom::element, which is
// trivially copyable. Good until the parser's next call.
using Element = std::array<std::uint64_t, 2>;

class Parser {
 public:
  static constexpr std::size_t kLargest = 64U << 20;  // bytes; an API server takes about 3 MB
  static constexpr std::size_t kDeepest = 100;        // objects and arrays within each other

  Parser();
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  // The root of `text`, which is copied. Fails for what is no JSON, no valid UTF-8, too large or
  // too deep, and for a root that is no object.
  [[nodiscard]] Result<Element> parse(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace proxy::records::json
