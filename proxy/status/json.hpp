// Writes JSON (RFC 8259) as it goes, for the small documents that status hands out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace proxy::status {

// Requires calls in an order that makes a document: a key before each member of an object, each
// begin ended. Text passes through printable(): what records bring in can neither break the
// document nor the terminal that it is shown on, and the document is valid UTF-8.
class JsonWriter {
 public:
  JsonWriter& key(std::string_view name);

  void text(std::string_view value);
  void number(std::int64_t value);
  void number(double value);  // finite
  void boolean(bool value);
  void null();
  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void separate();
  void begin(char bracket);
  void end(char bracket);
  void quote(std::string_view value);

  std::string out_;
  bool first_ = true;  // nothing stands yet in the innermost object or array, or a key was written
};

}  // namespace proxy::status
