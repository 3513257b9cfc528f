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
#include <optional>
#include <string>
#include <string_view>

namespace proxy::status {

struct AdminRequest {
  std::string command;
  std::string json;  // the whole request, for commands that take more
};

// Takes a JSON document, once; on the control thread, where all state lives, as all of this.
using AdminReply = std::function<void(std::string)>;
using AdminCommand = std::function<void(const AdminRequest&, AdminReply)>;
// A command that need not wait for anything.
[[nodiscard]] AdminCommand at_once(std::function<std::string(const AdminRequest&)> reply);
using AdminCommands = std::map<std::string, AdminCommand, std::less<>>;

// Has a whole JSON object arrived, so that a client need not close its side? True as soon as the
// braces outside strings balance; what follows is ignored.
[[nodiscard]] bool is_complete_object(std::string_view received);

// Fails when the text is not JSON, not an object or has no text member "command".
[[nodiscard]] Result<AdminRequest> parse_admin_request(std::string_view received);

// Has what was received answered, without a newline; a mistake gives {"error":"…"}.
void answer_admin(const AdminCommands& commands, std::string_view received, AdminReply reply);

[[nodiscard]] std::string admin_error(std::string_view what);

// {"command":"query","name":"web.shop","type":"A"}. Fails when a member is missing.
struct DnsQuestion {
  std::string name;
  std::string type;
};
[[nodiscard]] Result<DnsQuestion> dns_question_from(std::string_view request);
// {"answer":["line",…]}
[[nodiscard]] std::string dns_answer(std::string_view text);

// {"command":"end","successor":"iptables"}: the proxy mode of the process that is to go on. Nothing
// where the request does not say it.
[[nodiscard]] std::optional<std::string> successor_from(std::string_view request);

}  // namespace proxy::status
