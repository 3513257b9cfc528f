// Runs a kubeconfig's exec credential plugin (client.authentication.k8s.io).
#pragma once

#include "proxy/sources/kubernetes/access.hpp"
#include "proxy/sources/kubernetes/connection.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::sources::kubernetes {

// What a plugin gave.
struct ExecCredential {
  std::string token;
  std::string certificate, key;  // PEM
  std::optional<std::chrono::system_clock::time_point> expires;

  friend bool operator==(const ExecCredential&, const ExecCredential&) = default;
};

// Pure: what a plugin printed. Fails if it is no ExecCredential of this version, or an empty one.
[[nodiscard]] Result<ExecCredential> read_exec_credential(std::string_view json,
                                                          std::string_view api_version);

// Pure: the value of KUBERNETES_EXEC_INFO. `ca` is the PEM of the cluster's authority.
[[nodiscard]] std::string exec_info(const Access& access, const std::string& ca);

// Runs the plugin to its end without blocking the executor. Fails if it can't be started, ends with
// another status than 0 (the error holds the end of what it wrote to standard error), or takes
// longer than `patience`, after which it is killed. Requires access.exec.
boost::asio::awaitable<Result<ExecCredential>> run_exec_plugin(Access access, std::string ca,
                                                               Duration patience);

}  // namespace proxy::sources::kubernetes
