// The daemon that runs already, when a new one is to take its place (--take-over).
//
// The old one forwards and answers until the new one knows all records; then it is told to end,
// and the new one goes on with what is in force. Both speak over the admin socket.
#pragma once

#include "proxy/result.hpp"

#include <boost/asio/awaitable.hpp>

#include <filesystem>
#include <string_view>

namespace proxy {

// Tells the daemon behind the admin socket to end, since one of proxy mode `mode` is to go on, and
// waits until nobody answers there any more.
// Fails with ETIMEDOUT if it does not end in time, and with what asking it says. One that is gone
// already is no failure.
boost::asio::awaitable<Result<void>> end_predecessor(std::filesystem::path admin_socket,
                                                     std::string_view mode);

}  // namespace proxy
