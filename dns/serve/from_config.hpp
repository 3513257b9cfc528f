// The daemon's configuration to the DNS server's options.
#pragma once

#include "dns/serve/server.hpp"
#include "proxy/config/config.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dns::serve {

struct ConfiguredServer {
  ServerOptions options;
  std::vector<std::string> warnings;  // what was left out, and why
};

// `resolv_conf`: the text of the file that config.dns.resolv_conf names, for upstreams that are not
// given by flags and for autopath's search list. `local`: the addresses of this node, which is
// where a server on an unspecified address is found. Fails with one line that names the flag.
[[nodiscard]] Result<ConfiguredServer> server_from_config(const proxy::config::Dns& config,
                                                          std::string_view resolv_conf,
                                                          std::span<const IpAddress> local);

}  // namespace dns::serve
