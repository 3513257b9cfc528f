// The Unix socket on which a running daemon answers questions: the only way to ask it anything.
//
// Only its owner may connect (mode 0600, in a directory of mode 0700 where that had to be made).
// Requests have a size limit and a deadline, connections a number limit.
#pragma once

#include "proxy/result.hpp"
#include "proxy/status/admin_protocol.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <filesystem>
#include <memory>

namespace proxy::status {

struct AdminLimits {
  std::size_t connections = 16;  // more are closed as they come
  std::size_t request_bytes = 65536;
  std::chrono::seconds time{5};  // from accept to the end of the reply
};

class AdminSocket {
 public:
  AdminSocket(boost::asio::any_io_executor executor, AdminCommands commands,
              AdminLimits limits = {});
  ~AdminSocket();  // as stop()
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;

  // Begins to serve at `path`. A socket that is there already is replaced if nobody answers on it.
  // Fails with EADDRINUSE if somebody does, which means that a daemon is running here, with EEXIST
  // if what is there is not a socket, and with what mkdir, bind or listen say.
  Result<void> listen(const std::filesystem::path& path);

  // Closes and removes the socket, unless the path belongs to somebody else by now.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the coroutines of open connections
};

// Asks the daemon behind `path` and waits for its reply; blocks, up to `limits.time`. Fails with
// ENOENT or ECONNREFUSED if no daemon is there.
[[nodiscard]] Result<std::string> ask_admin(const std::filesystem::path& path,
                                            std::string_view request, AdminLimits limits = {});

}  // namespace proxy::status
