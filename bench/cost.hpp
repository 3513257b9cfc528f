// What a piece of work costs, measured in a network namespace that is its own.
#pragma once

#include <functional>
#include <string>

namespace bench {

struct Cost {
  double wall = 0, user = 0, kernel = 0;  // ms
};

// `who`: RUSAGE_SELF, or RUSAGE_CHILDREN for work that a process of its own does and that is waited
// for.
[[nodiscard]] Cost measured(int who, const std::function<void()>& work);
// A line of a table: what it was, and its three figures; they are called KEY.wall_ms, .user_ms and
// .kernel_ms (bench/report.hpp).
void report(const std::string& what, const std::string& key, const Cost& cost);

// A line of /proc/self/status, such as "VmHWM", in MB.
[[nodiscard]] double memory(const std::string& key);

// Runs `work` in a child process with a network namespace of its own. Needs root.
void in_namespace(const std::function<void()>& work);

// Runs a program that reads `input`; true if it ended well.
[[nodiscard]] bool feed(const std::string& program, const std::string& option,
                        const std::string& input);

}  // namespace bench
