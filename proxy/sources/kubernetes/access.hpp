// How to reach an API server and what to show it: the outcome of reading a kubeconfig or a pod's
// service account.
#pragma once

#include "proxy/sources/kubernetes/proxy_choice.hpp"
#include "proxy/sources/kubernetes/url.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace proxy::sources::kubernetes {

// Something that stands in the configuration itself or in a file, which is then read anew each time
// it is needed: files are how certificates and tokens rotate.
struct Material {
  std::string data;
  std::string file;  // counts only where data is empty

  [[nodiscard]] bool empty() const { return data.empty() && file.empty(); }
  friend bool operator==(const Material&, const Material&) = default;
};

// client.authentication.k8s.io: a program that prints credentials.
struct ExecPlugin {
  std::string api_version;  // …/v1 or …/v1beta1
  std::string command;      // looked up in PATH unless there is a slash in it
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  std::string install_hint;
  bool provide_cluster_info = false;

  friend bool operator==(const ExecPlugin&, const ExecPlugin&) = default;
};

struct Access {
  std::vector<Url> servers;  // at least one; the same cluster behind all of them
  ProxyChoice proxy;
  std::string tls_server_name;  // empty: the server's host
  bool insecure = false;        // the server's certificate is not looked at
  Material ca;                  // PEM; empty: what the host trusts

  Material client_certificate;  // PEM
  Material client_key;
  Material token;
  std::string username, password;  // HTTP basic
  std::optional<ExecPlugin> exec;
  std::vector<std::pair<std::string, std::string>> impersonation;  // headers
  std::string source;  // where all this is from, for logs: "kubeconfig /etc/…"

  friend bool operator==(const Access&, const Access&) = default;
};

}  // namespace proxy::sources::kubernetes
