#include "proxy/log_stderr.hpp"

#include "proxy/printable.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace proxy {
namespace {

class StderrLog final : public Log {
 public:
  explicit StderrLog(int verbosity)
      : Log{verbosity}, logger_{"", std::make_shared<spdlog::sinks::stderr_sink_mt>()} {
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    // spdlog reports a failed write to standard error, which is what failed.
    logger_.set_error_handler([](const std::string&) {});
  }

 private:
  void write(Severity severity, std::string_view text) override {
    const auto level = severity == Severity::info      ? spdlog::level::info
                       : severity == Severity::warning ? spdlog::level::warn
                                                       : spdlog::level::err;
    const auto line = printable(text);
    logger_.log(level, spdlog::string_view_t{line.data(), line.size()});
  }

  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<Log> stderr_log(int verbosity) {
  return std::make_unique<StderrLog>(verbosity);
}

}  // namespace proxy
