#include "proxy/records/json_parser.hpp"

#include <simdjson.h>

#include <bit>
#include <string>

namespace proxy::records::json {
namespace {

// The parser's buffers take some 15 bytes per byte of the largest text so far; a rare large one
// must not keep them.
constexpr std::size_t kKept = 1U << 20;

}  // namespace

struct Parser::Impl {
  simdjson::dom::parser parser{kLargest};
};

Parser::Parser() = default;
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

Result<Element> Parser::parse(std::string_view text) {
  if (impl_ && impl_->parser.capacity() > kKept && text.size() <= kKept) impl_.reset();
  if (!impl_) {
    impl_ = std::make_unique<Impl>();
    // What grows later keeps the depth that was set first.
    if (impl_->parser.allocate(std::size_t{1} << 14, kDeepest) != simdjson::SUCCESS) {
      impl_.reset();
      return system_error(ENOMEM, "parse JSON");
    }
  }
  simdjson::dom::element root;
  if (const auto error = impl_->parser.parse(text.data(), text.size()).get(root)) {
    return invalid(std::string{"not JSON: "} + simdjson::error_message(error));
  }
  if (!root.is_object()) return invalid("not an object");
  return std::bit_cast<Element>(root);
}

}  // namespace proxy::records::json
