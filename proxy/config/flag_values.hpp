// The flags that were given, each checked against its type; for the others, the table's default.
#pragma once

#include "proxy/config/flags.hpp"
#include "proxy/config/values.hpp"
#include "proxy/result.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::config {

class FlagValues {
 public:
  // Takes `text` for the flag; given twice, the last wins, except that lists grow. Fails when the
  // text is not of the flag's type; the error begins with the flag ("--v: …").
  [[nodiscard]] Result<void> give(const Flag& flag, std::string text);
  // The same for a value that stands elsewhere, at `place`, with which the error begins.
  [[nodiscard]] Result<void> give(const Flag& flag, std::string text, std::string place);
  void forget(std::string_view name);  // as if it had not been given

  [[nodiscard]] bool given(std::string_view name) const { return given_.contains(name); }
  // Where the value stands: "--name", or the place it was given with.
  [[nodiscard]] std::string place(std::string_view name) const;
  // `error`, which begins with a flag, with that flag's place instead.
  [[nodiscard]] Error at_its_place(Error error) const;

  // The value given, or the default. Requires a flag of the table, of the type asked for.
  [[nodiscard]] std::string text(std::string_view name) const;
  [[nodiscard]] bool boolean(std::string_view name) const;
  [[nodiscard]] std::int32_t integer(std::string_view name) const;
  [[nodiscard]] std::chrono::nanoseconds duration(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;

 private:
  struct Given {
    std::string text;
    std::string place;
  };
  std::map<std::string, Given, std::less<>> given_;
};

}  // namespace proxy::config
