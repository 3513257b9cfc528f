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

AdminCommand at_once(std::function<std::string(const AdminRequest&)> reply) {
  return [find = std::move(reply)](const AdminRequest& request, const AdminReply& take) {
    take(find(request));
  };
}

void answer_admin(const AdminCommands& commands, std::string_view received, AdminReply reply) {
  const auto request = parse_admin_request(received);
  if (!request) return reply(admin_error(request.error().text()));
  const auto command = commands.find(request->command);
  if (command == commands.end()) {
    return reply(admin_error(fmt::format("{}: unknown command, there are {}", request->command,
                                         fmt::join(commands | std::views::keys, ", "))));
  }
  command->second(*request, std::move(reply));
}

std::string admin_error(std::string_view what) {
  JsonWriter json;
  json.begin_object();
  json.key("error").text(what);
  json.end_object();
  return json.take();
}

Result<DnsQuestion> dns_question_from(std::string_view request) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view name;
  std::string_view type;
  if (parser.parse(request.data(), request.size()).get(root) != simdjson::SUCCESS ||
      root["name"].get(name) != simdjson::SUCCESS || root["type"].get(type) != simdjson::SUCCESS) {
    return invalid("query: the request needs a name and a type");
  }
  return DnsQuestion{.name = std::string{name}, .type = std::string{type}};
}

std::optional<std::string> successor_from(std::string_view request) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view mode;
  if (parser.parse(request.data(), request.size()).get(root) != simdjson::SUCCESS ||
      root["successor"].get(mode) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return std::string{mode};
}

std::string dns_answer(std::string_view text) {
  JsonWriter json;
  json.begin_object();
  json.key("answer").begin_array();
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    json.text(text.substr(at, end - at));
    at = end + 1;
  }
  json.end_array();
  json.end_object();
  return json.take();
}

}  // namespace proxy::status
