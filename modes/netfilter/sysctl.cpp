#include "modes/netfilter/sysctl.hpp"

#include "proxy/unique_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace modes::netfilter {

namespace {

proxy::Result<std::string> read_line(const std::string& path) {
  const proxy::UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 256> buffer{};
  if (!fd) return proxy::system_error(errno, "read " + path);
  const auto size = ::read(fd.get(), buffer.data(), buffer.size());
  if (size < 0) return proxy::system_error(errno, "read " + path);
  std::string value{buffer.data(), static_cast<std::size_t>(size)};
  while (value.ends_with('\n')) value.pop_back();
  return value;
}

}  // namespace

proxy::Result<std::string> read_sysctl(const std::string& name) {
  return read_line("/proc/sys/" + name);
}

proxy::Result<std::string> read_module_parameter(const std::string& module,
                                                 const std::string& name) {
  return read_line("/sys/module/" + module + "/parameters/" + name);
}

proxy::Result<void> write_sysctl(const std::string& name, const std::string& value) {
  if (const auto now = read_sysctl(name); now && *now == value) return {};
  const auto path = "/proc/sys/" + name;
  const proxy::UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd || ::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return proxy::system_error(errno, "write " + value + " to " + path);
  }
  return {};
}

}  // namespace modes::netfilter
