// Programs in a namespace: run to their end, or kept running. None outlives the test.
#pragma once

#include "proxy/unique_fd.hpp"
#include "tests/netns/network_namespace.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netns {

// A running program. It dies with the thread that started it (PR_SET_PDEATHSIG), and with this
// object.
class Process {
 public:
  // arguments[0] is looked up in PATH. Throws LabError when the program cannot be started.
  Process(const NetworkNamespace& net, const std::vector<std::string>& arguments,
          std::string_view input = {});
  ~Process();
  Process(Process&&) = default;
  Process& operator=(Process&&) = delete;

  // The wait status's exit code, or 128 + the signal that ended it; nullopt when it goes on.
  std::optional<int> wait(std::chrono::milliseconds patience);
  void signal(int number) const;

  [[nodiscard]] std::string output() const;  // what it has written to stdout and stderr up to now
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  proxy::UniqueFd output_;  // a memfd: needs no reader, so nothing can block on it
  proxy::UniqueFd pidfd_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

struct Finished {
  int status = 0;      // as Process::wait has it
  std::string output;  // stdout and stderr
};
// Throws LabError when it does not end within 30 seconds.
Finished run(const NetworkNamespace& net, const std::vector<std::string>& arguments,
             std::string_view input = {});
// The same, and throws LabError when the status is not 0. Returns the output.
std::string run_or_fail(const NetworkNamespace& net, const std::vector<std::string>& arguments,
                        std::string_view input = {});

}  // namespace netns
