#include "proxy/status/process_figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace proxy::status {
namespace {

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string{text}};
  return {std::istream_iterator<std::string>{in}, {}};
}

std::string content(const char* path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

std::optional<ProcessFigures> parse_process_figures(std::string_view self_stat,
                                                    std::string_view stat, double ticks_per_second,
                                                    double page_bytes) {
  // Field 2, the program's name in parentheses, may hold anything; field 3 follows the last ')'.
  const auto name_end = self_stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  const auto fields = words(self_stat.substr(name_end + 1));
  constexpr std::size_t kFirst = 3;
  constexpr std::size_t kUserTime = 14 - kFirst, kSystemTime = 15 - kFirst, kStart = 22 - kFirst,
                        kVirtualBytes = 23 - kFirst, kResidentPages = 24 - kFirst;
  if (fields.size() <= kResidentPages) return std::nullopt;

  constexpr std::string_view kBootTime = "btime ";
  const auto boot_line = stat.find(kBootTime);
  if (boot_line == std::string_view::npos) return std::nullopt;
  const auto boot = number(stat.substr(boot_line + kBootTime.size()));

  const auto user = number(fields[kUserTime]), system = number(fields[kSystemTime]);
  const auto start = number(fields[kStart]);
  const auto virtual_bytes = number(fields[kVirtualBytes]);
  const auto resident = number(fields[kResidentPages]);
  if (!boot || !user || !system || !start || !virtual_bytes || !resident) return std::nullopt;
  return ProcessFigures{.cpu_seconds = (*user + *system) / ticks_per_second,
                        .resident_bytes = *resident * page_bytes,
                        .virtual_bytes = *virtual_bytes,
                        .start_time = *boot + *start / ticks_per_second};
}

std::optional<ProcessFigures> process_figures() {
  auto figures = parse_process_figures(content("/proc/self/stat"), content("/proc/stat"),
                                       static_cast<double>(::sysconf(_SC_CLK_TCK)),
                                       static_cast<double>(::sysconf(_SC_PAGESIZE)));
  if (!figures) return std::nullopt;
  std::error_code error;
  for (std::filesystem::directory_iterator entry{"/proc/self/fd", error}, end;
       !error && entry != end; entry.increment(error)) {
    ++figures->open_fds;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    figures->max_fds = static_cast<double>(limit.rlim_cur);
  }
  return figures;
}

}  // namespace proxy::status
