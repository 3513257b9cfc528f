// What systemd wants to hear of a service with Type=notify (sd_notify(3)): that it is ready, how it
// is, that it lives, that it ends. Without systemd (no NOTIFY_SOCKET) nothing is sent.
#pragma once

#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::host {

class ServiceManager {
 public:
  // By the environment's NOTIFY_SOCKET (a path, or '@' and an abstract name), WATCHDOG_USEC and
  // WATCHDOG_PID. An address that can't be used counts as none.
  [[nodiscard]] static ServiceManager from_environment();

  // `status` is one line for `systemctl status`; what can't be printed in it is escaped.
  void ready(std::string_view status) const;
  void status(std::string_view status) const;
  void alive() const;
  void stopping() const;
  // The service goes on in that process, which it started, when this one ends.
  void main_process(pid_t process) const;

  // How often alive() is expected, at least; nullopt: never.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  void send(const std::string& message) const;

  UniqueFd socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace proxy::host
