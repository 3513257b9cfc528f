#include "proxy/host/successor.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace proxy::host {
namespace {

constexpr int kFirstSocket = 3;  // sd_listen_fds(3): SD_LISTEN_FDS_START

// Of systemd's variables those that name a process or its descriptors.
constexpr std::array<std::string_view, 4> kOfOneProcess{
    "LISTEN_FDS=", "LISTEN_PID=", "LISTEN_FDNAMES=", "WATCHDOG_PID="};

// Strings that each end in a zero byte (proc(5)).
Result<std::vector<std::string>> strings_of(const char* path) {
  errno = 0;
  std::ifstream file{path, std::ios::binary};
  const std::string all{std::istreambuf_iterator<char>{file}, {}};
  if (!file.is_open() || file.bad()) return system_error(errno, std::string{"read "} + path);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < all.size();) {
    out.emplace_back(all.c_str() + at);
    at += out.back().size() + 1;
  }
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

struct FileActions {
  FileActions() { ::posix_spawn_file_actions_init(&actions); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t actions{};
};

int number_of(const char* text) {
  int value = 0;
  if (text == nullptr) return 0;
  const std::string_view view{text};
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  return error == std::errc{} && end == view.data() + view.size() ? value : 0;
}

}  // namespace

Result<Program> Program::of_this_process() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Error{error, "read /proc/self/exe"};
  auto arguments = strings_of("/proc/self/cmdline");
  if (!arguments) return arguments.error();
  auto environment = strings_of("/proc/self/environ");
  if (!environment) return environment.error();
  return Program{path.string(), std::move(*arguments), std::move(*environment)};
}

Result<pid_t> start_successor(const Program& program, const std::string& extra,
                              std::span<const int> sockets) {
  auto arguments = program.arguments;
  if (std::ranges::find(arguments, extra) == arguments.end()) arguments.push_back(extra);
  auto environment = program.environment;
  std::erase_if(environment, [](const std::string& variable) {
    return std::ranges::any_of(kOfOneProcess,
                               [&](std::string_view name) { return variable.starts_with(name); });
  });
  environment.push_back("LISTEN_FDS=" + std::to_string(sockets.size()));

  // First away from the numbers that they are to have: one may be where another belongs.
  const auto past_all = kFirstSocket + static_cast<int>(sockets.size());
  std::vector<UniqueFd> copies;
  FileActions files;
  for (const int socket : sockets) {
    copies.emplace_back(::fcntl(socket, F_DUPFD_CLOEXEC, past_all));
    if (!copies.back()) return system_error(errno, "duplicate a socket to be handed over");
    const auto number = kFirstSocket + static_cast<int>(copies.size()) - 1;
    ::posix_spawn_file_actions_adddup2(&files.actions, copies.back().get(), number);
  }
  pid_t child = 0;
  const int error = ::posix_spawn(&child, program.path.c_str(), &files.actions, nullptr,
                                  pointers(arguments).data(), pointers(environment).data());
  if (error != 0) return system_error(error, "start " + program.path);
  return child;
}

std::vector<UniqueFd> inherited_sockets() {
  // A service manager says whose they are; a process that starts another can't know that yet.
  const char* whose = ::getenv("LISTEN_PID");
  const int count =
      whose == nullptr || number_of(whose) == ::getpid() ? number_of(::getenv("LISTEN_FDS")) : 0;
  for (const char* name : {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) ::unsetenv(name);
  std::vector<UniqueFd> out;
  for (int i = 0; i < count; ++i) {
    const int fd = kFirstSocket + i;
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) break;  // not open: there are fewer than was said
    out.emplace_back(fd);
  }
  return out;
}

}  // namespace proxy::host
