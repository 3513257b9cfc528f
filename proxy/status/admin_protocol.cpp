#include "proxy/status/admin_protocol.hpp"

#include "proxy/status/json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <ranges>

namespace proxy::status {

bool is_complete_object(std::string_view received) {
  int depth = 0;
  bool in_string = false;
  bool escaped = false;
  for (const char c : received) {
    if (in_string) {
      in_string = escaped || c != '"';
      escaped = !escaped && c == '\\';
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (--depth <= 0) return true;
    }
  }
  return false;
}

Result<AdminRequest> parse_admin_request(std::string_view received) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (const auto error = parser.parse(simdjson::padded_string{received}).get(document)) {
    return invalid(fmt::format("not a JSON request: {}", simdjson::error_message(error)));
  }
  std::string_view command;
  if (document["command"].get(command) != simdjson::SUCCESS) {
    return invalid("a request is an object with a text member \"command\"");
  }
  return AdminRequest{.command = std::string{command}, .json = std::string{received}};
}

std::string admin_reply(const AdminCommands& commands, std::string_view received) {
  const auto request = parse_admin_request(received);
  if (!request) return admin_error(request.error().text());
  const auto command = commands.find(request->command);
  if (command == commands.end()) {
    return admin_error(fmt::format("{}: unknown command, there are {}", request->command,
                                   fmt::join(commands | std::views::keys, ", ")));
  }
  return command->second(*request);
}

std::string admin_error(std::string_view what) {
  JsonWriter json;
  json.begin_object();
  json.key("error").text(what);
  json.end_object();
  return json.take();
}

}  // namespace proxy::status
