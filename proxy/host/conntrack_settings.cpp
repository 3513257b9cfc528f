#include "proxy/host/conntrack_settings.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include "proxy/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>

namespace proxy::host {
namespace {

constexpr std::int64_t kMostConnections = 1 << 20;

std::int64_t seconds_of(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

// The number in the file; fails with what open or read say.
Result<std::int64_t> read_number(const std::filesystem::path& path) {
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return system_error(errno, path.string());
  std::array<char, 64> text{};
  const auto size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) return system_error(errno, "read " + path.string());
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + size, value);
  if (error != std::errc{}) return invalid(path.string() + " holds no number");
  return value;
}

Result<void> write_number(const std::filesystem::path& path, std::int64_t value) {
  const UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  const auto what = fmt::format("set {} to {}", path.string(), value);
  if (!fd) return system_error(errno, what);
  const auto text = fmt::format("{}\n", value);
  if (::write(fd.get(), text.data(), text.size()) < 0) return system_error(errno, what);
  return {};
}

Result<void> apply_one(const Setting& setting, const std::filesystem::path& root) {
  const auto path = root / setting.path;
  const auto current = read_number(path);
  if (!current) return current.error();
  // Not written when it is right already: in a container these files are often read-only.
  if (*current == setting.value) return {};
  if (setting.keep == Keep::larger && *current > setting.value) return {};
  return write_number(path, setting.value);
}

}  // namespace

std::vector<Setting> conntrack_settings(const config::Conntrack& wanted, unsigned cpus) {
  std::vector<Setting> settings;
  const auto set = [&](std::string_view name, std::int64_t value) {
    settings.push_back({.path = fmt::format("proc/sys/net/netfilter/{}", name), .value = value});
  };
  if (wanted.max_per_core > 0) {
    const auto scaled = std::int64_t{wanted.max_per_core} * cpus;
    const auto max =
        scaled > kMostConnections ? kMostConnections : std::max(scaled, std::int64_t{wanted.min});
    set("nf_conntrack_max", max);
    settings.push_back({.path = "sys/module/nf_conntrack/parameters/hashsize",
                        .value = max / 4,
                        .keep = Keep::larger});
  }
  struct Timeout {
    std::string_view name;
    std::chrono::nanoseconds value;
  };
  for (const auto& [name, value] : {
           Timeout{"nf_conntrack_tcp_timeout_established", wanted.tcp_established_timeout},
           Timeout{"nf_conntrack_tcp_timeout_close_wait", wanted.tcp_close_wait_timeout},
           Timeout{"nf_conntrack_udp_timeout", wanted.udp_timeout},
           Timeout{"nf_conntrack_udp_timeout_stream", wanted.udp_stream_timeout},
       }) {
    if (value > std::chrono::nanoseconds{0}) set(name, seconds_of(value));
  }
  if (wanted.tcp_be_liberal) set("nf_conntrack_tcp_be_liberal", 1);
  return settings;
}

std::vector<Error> apply(const std::vector<Setting>& settings, const std::filesystem::path& root) {
  std::vector<Error> failures;
  for (const auto& setting : settings) {
    if (const auto done = apply_one(setting, root); !done) failures.push_back(done.error());
  }
  return failures;
}

}  // namespace proxy::host
