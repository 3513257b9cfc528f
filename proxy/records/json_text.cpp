#include "proxy/records/json_text.hpp"

#include <optional>

namespace proxy::records::json {
namespace {

// Walks over a text; every skip stops at the end.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_{text} {}

  // The next character that is no blank, or 0 at the end. (A NUL in the text is no JSON either.)
  char peek() {
    at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool at_end() {
    peek();
    return at_ == text_.size();
  }
  bool take(char wanted) {
    if (peek() != wanted || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  // A value from its first to its last character; nullopt if the text ends before it does, or there
  // is none.
  std::optional<std::string_view> value() {
    const char first = peek();
    const auto begin = at_;
    const bool whole = first == '"'                   ? skip_string()
                       : first == '{' || first == '[' ? skip_brackets()
                                                      : skip_word();
    if (!whole) return std::nullopt;
    return text_.substr(begin, at_ - begin);
  }

 private:
  bool skip_string() {
    for (++at_;; at_ += 2) {  // past the backslash and what it escapes
      at_ = text_.find_first_of("\"\\", at_);
      if (at_ == std::string_view::npos) {
        at_ = text_.size();
        return false;
      }
      if (text_[at_] == '"') break;
      if (at_ + 1 >= text_.size()) return false;
    }
    ++at_;
    return true;
  }

  // To the bracket that closes the one here; which kind closes which is left to the parser.
  bool skip_brackets() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      switch (text_[at_]) {
        case '"':
          if (!skip_string()) return false;
          continue;
        case '{':
        case '[':
          ++depth;
          break;
        case '}':
        case ']':
          if (--depth == 0) {
            ++at_;
            return true;
          }
          break;
        default:
          break;
      }
      ++at_;
    }
    return false;
  }

  // A number, true, false, null, or what is none of them.
  bool skip_word() {
    const auto begin = at_;
    at_ = std::min(text_.find_first_of(" \t\r\n,:{}[]\"", at_), text_.size());
    return at_ > begin;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Error malformed(std::string_view what) {
  return invalid("not JSON: " + std::string{what});
}

constexpr std::string_view kEndsWithin = "the text ends, or has a stray sign, within a value";

}  // namespace

Result<std::vector<std::string_view>> values(std::string_view text) {
  std::vector<std::string_view> found;
  for (Cursor cursor{text}; !cursor.at_end();) {
    const auto value = cursor.value();
    if (!value) return malformed(kEndsWithin);
    found.push_back(*value);
  }
  return found;
}

Result<std::vector<std::string_view>> elements(std::string_view array) {
  std::vector<std::string_view> found;
  Cursor cursor{array};
  if (!cursor.take('[')) return malformed("expected an array");
  if (cursor.take(']')) return found;
  do {
    const auto value = cursor.value();
    if (!value) return malformed(kEndsWithin);
    found.push_back(*value);
  } while (cursor.take(','));
  if (!cursor.take(']') || !cursor.at_end()) return malformed("expected , or ] in an array");
  return found;
}

Result<std::vector<Member>> members(std::string_view object) {
  std::vector<Member> found;
  Cursor cursor{object};
  if (!cursor.take('{')) return malformed("expected an object");
  if (cursor.take('}')) return found;
  do {
    if (cursor.peek() != '"') return malformed("expected a key in quotes");
    const auto key = cursor.value();
    if (!key || !cursor.take(':')) return malformed("expected a key and a colon");
    const auto value = cursor.value();
    if (!value) return malformed(kEndsWithin);
    found.push_back({.key = key->substr(1, key->size() - 2), .value = *value});
  } while (cursor.take(','));
  if (!cursor.take('}') || !cursor.at_end()) return malformed("expected , or } in an object");
  return found;
}

}  // namespace proxy::records::json
