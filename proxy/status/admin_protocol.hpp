// What travels over the admin socket: one JSON request, one JSON reply, then the end.
//
//   {"command":"status"}            {"mode":"iptables",…}
//   {"command":"dance"}             {"error":"dance: unknown command, there are status"}
//
// Pure. The request is an object with the member "command"; others are for the command itself.
#pragma once

#include "proxy/result.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace proxy::status {

struct AdminRequest {
  std::string command;
  std::string json;  // the whole request, for commands that take more
};

// Returns a JSON document. Called on the control thread, where all state lives.
using AdminCommand = std::function<std::string(const AdminRequest&)>;
using AdminCommands = std::map<std::string, AdminCommand, std::less<>>;

// Has a whole JSON object arrived, so that a client need not close its side? True as soon as the
// braces outside strings balance; what follows is ignored.
[[nodiscard]] bool is_complete_object(std::string_view received);

// Fails when the text is not JSON, not an object or has no text member "command".
[[nodiscard]] Result<AdminRequest> parse_admin_request(std::string_view received);

// The reply to what was received, without a newline; a mistake gives {"error":"…"}.
[[nodiscard]] std::string admin_reply(const AdminCommands& commands, std::string_view received);

[[nodiscard]] std::string admin_error(std::string_view what);

}  // namespace proxy::status
