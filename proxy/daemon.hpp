// The daemon: joins a source, the table, a mode and the status servers, and runs them until it is
// told to end.
//
//   Source ─► Intake ─► ServiceTable ─► Scheduler ─► Mode
//                 ├──────► Reporter ◄─────┘
//                 └──────► NameService
//                             └─► log, HttpServers, AdminSocket
#pragma once

#include "modes/mode.hpp"
#include "proxy/config/config.hpp"
#include "proxy/log.hpp"
#include "proxy/name_service.hpp"
#include "proxy/result.hpp"
#include "proxy/sources/source.hpp"

#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace proxy {

// What only the program as a whole knows: which source and which mode a configuration means. Both
// run on the context that they are given and are destroyed before it.
struct DaemonParts {
  std::string version;
  config::Config config;
  Log& log;
  std::string configz;  // the configuration as JSON, for /configz
  // Host and port of an API server, and the status code of its answer, or "<error>".
  using Answered = std::function<void(const std::string& host, const std::string& code)>;
  std::function<Result<std::unique_ptr<sources::Source>>(const config::Config&,
                                                         boost::asio::io_context&, Answered)>
      make_source;
  std::function<Result<std::unique_ptr<modes::Mode>>(const config::Config&,
                                                     boost::asio::io_context&)>
      make_mode;
  // Null where nothing is to be served.
  std::function<Result<std::unique_ptr<NameService>>()> make_name_service;
};

// Runs until SIGTERM or SIGINT and then ends in good order: the sync that is going on is finished,
// the mode told, what is in the kernel stays. A second signal, or ten seconds, end it at once.
// SIGUSR2 starts a successor (proxy/succession.hpp). SIGHUP and SIGPIPE are ignored from here on.
// Fails when it cannot start (another daemon runs here, an address is taken and
// --bind-address-hard-fail is set, the source or the mode fails), and when it did not end in time.
[[nodiscard]] Result<void> run_daemon(const DaemonParts& parts);

}  // namespace proxy
