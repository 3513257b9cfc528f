#include "proxy/ask/ask.hpp"

#include "proxy/status/admin_socket.hpp"
#include "proxy/status/json.hpp"

#include <fmt/format.h>

namespace proxy::ask {

Result<Form> parse_form(std::string_view text) {
  if (text == "table") return Form::table;
  if (text == "json") return Form::json;
  if (text == "dotenv") return Form::dotenv;
  return invalid(fmt::format("--output: \"{}\" is none of table, json, dotenv", text));
}

std::string status_request(std::string_view filter, std::string_view limit) {
  status::JsonWriter json;
  json.begin_object();
  json.key("command").text("status");
  if (!filter.empty()) json.key("filter").text(filter);
  if (!limit.empty()) json.key("limit").text(limit);
  json.end_object();
  return json.take();
}

std::string explain_request(std::string_view packet, std::string_view from) {
  status::JsonWriter json;
  json.begin_object();
  json.key("command").text("explain");
  json.key("packet").text(packet);
  if (!from.empty()) json.key("from").text(from);
  json.end_object();
  return json.take();
}

std::string env_request(std::string_view name_space) {
  status::JsonWriter json;
  json.begin_object();
  json.key("command").text("env");
  json.key("namespace").text(name_space);
  json.end_object();
  return json.take();
}

std::string dns_request(std::string_view name, std::string_view type) {
  status::JsonWriter json;
  json.begin_object();
  json.key("command").text("query");
  json.key("name").text(name);
  json.key("type").text(type);
  json.end_object();
  return json.take();
}

Result<std::string> ask(const std::filesystem::path& admin_socket, const std::string& request,
                        Form form) {
  auto reply = status::ask_admin(admin_socket, request);
  if (!reply) return reply;
  auto text = reply_text(*reply, form);
  if (!text || form != Form::json) return text;
  return *reply + "\n";
}

}  // namespace proxy::ask
