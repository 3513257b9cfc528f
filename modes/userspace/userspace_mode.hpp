// The userspace mode: connections end here and begin again to an endpoint.
//
// Joins the workers (who accept and relay), the steering (which brings packets to them), and the
// kernel mode that forwards what a proxy cannot: SCTP.
#pragma once

#include "modes/mode.hpp"
#include "modes/userspace/settings.hpp"
#include "proxy/unique_fd.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace modes::userspace {

struct ModeParts {
  boost::asio::any_io_executor executor;
  Settings settings;
  // Forwards the service ports that are not TCP or UDP; null: nobody does.
  std::unique_ptr<Mode> kernel_mode;
  // Listening sockets of a process before this one.
  std::vector<proxy::UniqueFd> inherited{};
  // What is to be told to people. Called on the control thread.
  std::function<void(std::string)> warn;
};

// Opens sockets and starts the workers, in the network namespace of the calling thread.
[[nodiscard]] Result<std::unique_ptr<Mode>> make_userspace_mode(ModeParts parts);

}  // namespace modes::userspace
