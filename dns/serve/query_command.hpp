// `viaduct dns query`: asks the running daemon's DNS server and shows what it says.
#pragma once

#include "proxy/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace dns::serve {

// Learns from the daemon behind the admin socket where it serves DNS, asks there by TCP, and gives
// the answer as text. Blocks, for at most ten seconds. Fails where there is no daemon or no DNS
// server, and when no answer comes.
[[nodiscard]] proxy::Result<std::string> query_daemon(const std::filesystem::path& admin_socket,
                                                      std::string_view name, std::string_view type);

}  // namespace dns::serve
