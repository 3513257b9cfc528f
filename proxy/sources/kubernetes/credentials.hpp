// What is shown to the API server with the next request: files are read anew, a plugin is run again
// when what it gave has expired or was refused.
//
// Shared by all followers of a source; a plugin that many wait for runs once.
#pragma once

#include "proxy/sources/kubernetes/access.hpp"
#include "proxy/sources/kubernetes/connection.hpp"
#include "proxy/sources/kubernetes/exec_plugin.hpp"

#include <boost/asio/steady_timer.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace proxy::sources::kubernetes {

struct Presented {
  TlsMaterial tls;
  std::vector<std::pair<std::string, std::string>> headers;  // Authorization and such
};

class Credentials {
 public:
  // `plugin_patience`: how long a plugin may take.
  Credentials(boost::asio::any_io_executor executor, Access access, Duration plugin_patience);

  // Fails if a file can't be read or the plugin fails.
  boost::asio::awaitable<Result<Presented>> current();
  // The server answered 401: what a plugin gave must not be used again.
  void refused() { plugin_credential_.reset(); }
  // Nobody waits any longer.
  void stop();

 private:
  boost::asio::awaitable<Result<void>> renew_plugin_credential(std::string ca);
  [[nodiscard]] bool plugin_credential_is_good() const;

  Access access_;
  Duration plugin_patience_;
  std::optional<ExecCredential> plugin_credential_;
  bool plugin_runs_ = false;
  bool stopped_ = false;
  boost::asio::steady_timer plugin_done_;  // those who wait for somebody else's run wait on it
};

}  // namespace proxy::sources::kubernetes
