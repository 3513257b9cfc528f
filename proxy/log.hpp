// Where the daemon says what happens: one line per event.
//
// An interface, so that nothing but one file knows the logging library and tests can listen.
// Whatever is written passes through printable(): names in records are not ours.
#pragma once

#include <cstdint>
#include <string_view>

namespace proxy {

enum class Severity : std::uint8_t { info, warning, error };

class Log {
 public:
  explicit Log(int verbosity) : verbosity_{verbosity} {}
  virtual ~Log() = default;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void info(std::string_view text) { write(Severity::info, text); }
  void warning(std::string_view text) { write(Severity::warning, text); }
  void error(std::string_view text) { write(Severity::error, text); }

  // Is something of this verbosity wanted? As klog: 0 always, 2 changes of state, 4 each sync, more
  // for debugging. Ask before building an expensive text.
  [[nodiscard]] bool shows(int verbosity) const { return verbosity <= verbosity_; }
  void detail(int verbosity, std::string_view text) {
    if (shows(verbosity)) write(Severity::info, text);
  }

 private:
  virtual void write(Severity severity, std::string_view text) = 0;

  int verbosity_;
};

}  // namespace proxy
