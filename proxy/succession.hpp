// SIGUSR2: a new process of this program takes this one's place, and nobody is refused meanwhile.
//
//   SIGUSR2 ─► start the program again, with --take-over and our listening sockets
//              the new one reads all records, then tells us to end (proxy/predecessor.hpp)
//              it goes on accepting at the same sockets; we end when our connections have
//
// If the new one fails before that, this one goes on as if nothing had been asked.
#pragma once

#include "proxy/host/successor.hpp"
#include "proxy/log.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>
#include <vector>

namespace proxy {

class Succession {
 public:
  // Asked when a successor is to be started.
  struct Parts {
    Log& log;
    std::function<bool()> can_be_told_to_end;  // by the admin socket
    std::function<std::vector<int>()> sockets;
  };
  // Notes how this process was started.
  explicit Succession(Parts parts);

  // Starts a successor at each SIGUSR2, one at a time, until the caller's context stops.
  static boost::asio::awaitable<void> run(Succession& self);

  // This process ends: what its successor does from now on is none of its business.
  void complete() { complete_ = true; }

  // The process that was started and has not ended.
  [[nodiscard]] std::optional<pid_t> successor() const { return successor_; }

 private:
  void start();
  void look_after();

  Parts parts_;
  Result<host::Program> program_;
  std::optional<pid_t> successor_;
  bool complete_ = false;
};

}  // namespace proxy
