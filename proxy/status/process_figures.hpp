// What the kernel says of this process, as the Prometheus client libraries export it.
#pragma once

#include <optional>
#include <string_view>

namespace proxy::status {

struct ProcessFigures {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double start_time = 0;  // seconds since 1970
  double open_fds = 0;
  double max_fds = 0;
};

// Pure: /proc/self/stat and the line btime of /proc/stat (proc(5)), the clock's ticks per second
// and a page's bytes. nullopt if it is not understood.
[[nodiscard]] std::optional<ProcessFigures> parse_process_figures(std::string_view self_stat,
                                                                  std::string_view stat,
                                                                  double ticks_per_second,
                                                                  double page_bytes);

// nullopt where there is no /proc.
[[nodiscard]] std::optional<ProcessFigures> process_figures();

}  // namespace proxy::status
