// Which proxy, if any, is in front of an API server: the kubeconfig's, or the environment's.
//
// Pure, but for reading the environment.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/sources/kubernetes/url.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace proxy::sources::kubernetes {

// HTTP_PROXY, HTTPS_PROXY and NO_PROXY as they stand in the environment, else their names in lower
// case; empty where unset.
struct ProxyVariables {
  std::string http;
  std::string https;
  std::string none;

  [[nodiscard]] static ProxyVariables of_this_process();
};

// Servers that NO_PROXY excludes.
class ProxyExceptions {
 public:
  ProxyExceptions() = default;
  // As Go's programs read it, kube-proxy among them (golang.org/x/net/http/httpproxy): joined by
  // commas, each "*", an address, a CIDR, a name (its subdomains count as well), ".name" or
  // "*.name" (only those count); all but CIDRs may have a port.
  explicit ProxyExceptions(std::string_view text);

  // Besides what the text says: "localhost" and loopback addresses.
  [[nodiscard]] bool holds(const Url& server) const;

  friend bool operator==(const ProxyExceptions&, const ProxyExceptions&) = default;

 private:
  struct Name {
    std::string suffix;  // in lower case, with a dot in front
    bool itself;         // the name counts without anything in front of the dot
    friend bool operator==(const Name&, const Name&) = default;
  };
  struct Exception {
    std::variant<IpAddress, IpPrefix, Name> host;
    std::optional<Port> port;  // any
    friend bool operator==(const Exception&, const Exception&) = default;
  };

  void add(std::string_view text);
  [[nodiscard]] static bool matches(const Exception& exception, const Url& server,
                                    const std::optional<IpAddress>& ip);

  bool all_ = false;
  std::vector<Exception> exceptions_;
};

struct ProxyChoice {
  std::optional<Url> always;  // the kubeconfig's proxy-url; goes before the environment
  std::optional<Url> http;    // for servers that are spoken to by HTTP
  std::optional<Url> https;   // … by HTTPS
  ProxyExceptions exceptions;

  // Fails, naming the variable, for a proxy that can't be used.
  [[nodiscard]] static Result<ProxyChoice> from(const ProxyVariables& variables);

  // Nothing: the server is spoken to directly.
  [[nodiscard]] const std::optional<Url>& in_front_of(const Url& server) const;

  friend bool operator==(const ProxyChoice&, const ProxyChoice&) = default;
};

}  // namespace proxy::sources::kubernetes
