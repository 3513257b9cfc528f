// A log that keeps its lines: "warning text".
#pragma once

#include "proxy/log.hpp"

#include <string>
#include <vector>

namespace fakes {

class FakeLog final : public proxy::Log {
 public:
  explicit FakeLog(int verbosity = 0) : Log{verbosity} {}
  std::vector<std::string> lines;

 private:
  void write(proxy::Severity severity, std::string_view text) override {
    const auto* word = severity == proxy::Severity::info      ? "info "
                       : severity == proxy::Severity::warning ? "warning "
                                                              : "error ";
    lines.push_back(word + std::string{text});
  }
};

}  // namespace fakes
