#include "proxy/records/json_text.hpp"

#include <optional>

namespace proxy::records::json {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Walks over a text; every skip stops at the end.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_{text} {}

  // The next character that is no blank, or 0 at the end. (A NUL in the text is no JSON either.)
  char peek() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
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
  // From quote to quote; most of a text is in strings, and find() is quick.
  bool skip_string() {
    for (auto quote = text_.find('"', at_ + 1); quote != std::string_view::npos;
         quote = text_.find('"', quote + 1)) {
      auto before = quote;
      while (text_[before - 1] == '\\') --before;  // stops at the opening quote
      if ((quote - before) % 2 == 0) {
        at_ = quote + 1;
        return true;
      }
    }
    return false;
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
    constexpr std::string_view kEnds = ",:{}[]\"";
    const auto begin = at_;
    while (at_ < text_.size() && !is_blank(text_[at_]) &&
           kEnds.find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
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
