// A bare HTTP/1.1 GET, enough to ask a daemon how it is.
#pragma once

#include "tests/netns/network_namespace.hpp"
#include "tests/netns/socket_address.hpp"

#include <string>

namespace netns {

struct HttpReply {
  int status = 0;    // 0: nobody answered
  std::string text;  // everything, headers and body
};
// Connects from inside `net` and reads until the other side closes, two seconds at most.
[[nodiscard]] HttpReply http_get(const NetworkNamespace& net, const SocketAddress& server,
                                 const std::string& path);

}  // namespace netns
