#include "proxy/status/json.hpp"

#include "proxy/printable.hpp"

#include <fmt/format.h>

#include <utility>

namespace proxy::status {

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  out_ += ':';
  first_ = true;
  return *this;
}

void JsonWriter::text(std::string_view value) {
  separate();
  quote(value);
}

void JsonWriter::number(std::int64_t value) {
  separate();
  out_ += fmt::format("{}", value);
}

void JsonWriter::number(double value) {
  separate();
  out_ += fmt::format("{}", value);
}

void JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
}

void JsonWriter::null() {
  separate();
  out_ += "null";
}

void JsonWriter::separate() {
  if (!std::exchange(first_, false)) out_ += ',';
}

void JsonWriter::begin(char bracket) {
  separate();
  out_ += bracket;
  first_ = true;
}

void JsonWriter::end(char bracket) {
  out_ += bracket;
  first_ = false;
}

// printable() leaves no control characters; quotes and backslashes remain to be escaped.
void JsonWriter::quote(std::string_view value) {
  out_ += '"';
  for (const char c : printable(value)) {
    if (c == '"' || c == '\\') out_ += '\\';
    out_ += c;
  }
  out_ += '"';
}

}  // namespace proxy::status
