#include "proxy/host/service_manager.hpp"

#include "proxy/printable.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace proxy::host {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): at start, one thread
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

UniqueFd connect_to(std::string_view address) {
  sockaddr_un kernel{};
  if (address.size() < 2 || address.size() >= sizeof kernel.sun_path) return {};
  if (address.front() != '/' && address.front() != '@') return {};
  kernel.sun_family = AF_UNIX;
  std::memcpy(kernel.sun_path, address.data(), address.size());
  if (address.front() == '@') kernel.sun_path[0] = '\0';
  UniqueFd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  const auto size = offsetof(sockaddr_un, sun_path) + address.size();
  const auto* generic = reinterpret_cast<const sockaddr*>(&kernel);
  if (!fd || ::connect(fd.get(), generic, static_cast<socklen_t>(size)) != 0) return {};
  return fd;
}

// WATCHDOG_PID, where it is set, says for whom the watchdog is.
std::optional<std::chrono::microseconds> watchdog_of_environment() {
  const auto period = number(environment("WATCHDOG_USEC"));
  if (!period || *period <= 0) return std::nullopt;
  const auto pid = environment("WATCHDOG_PID");
  if (!pid.empty() && number(pid) != ::getpid()) return std::nullopt;
  return std::chrono::microseconds{*period};
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  manager.socket_ = connect_to(environment("NOTIFY_SOCKET"));
  if (manager.socket_) manager.watchdog_ = watchdog_of_environment();
  return manager;
}

void ServiceManager::ready(std::string_view status) const {
  send("READY=1\nSTATUS=" + printable(status));
}
void ServiceManager::status(std::string_view status) const {
  send("STATUS=" + printable(status));
}
void ServiceManager::alive() const {
  send("WATCHDOG=1");
}
void ServiceManager::stopping() const {
  send("STOPPING=1");
}

void ServiceManager::main_process(pid_t process) const {
  send("MAINPID=" + std::to_string(process));
}

// Lost when systemd does not read: it is told again at the next occasion.
void ServiceManager::send(const std::string& message) const {
  if (socket_) (void)::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL);
}

}  // namespace proxy::host
