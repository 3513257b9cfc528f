#include "proxy/environment/environment.hpp"
#include "proxy/status/json.hpp"

#include <simdjson.h>

#include <algorithm>

namespace proxy::environment {
namespace {

constexpr std::size_t kLongestLabel = 63;  // RFC 1123

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

std::string environment_document(std::string_view name_space, const Variables& variables) {
  status::JsonWriter json;
  json.begin_object();
  json.key("namespace").text(name_space);
  json.key("variables").begin_object();
  for (const auto& [name, value] : variables) json.key(name).text(value);
  json.end_object();
  json.end_object();
  return json.take();
}

Result<std::string> namespace_from(std::string_view request) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view name;
  if (parser.parse(request.data(), request.size()).get(root) != simdjson::SUCCESS ||
      root["namespace"].get(name) != simdjson::SUCCESS) {
    return invalid("env: the request names no namespace");
  }
  if (name.empty() || name.size() > kLongestLabel ||
      !std::ranges::all_of(name, is_label_character)) {
    return invalid("env: that is no name of a namespace");
  }
  return std::string{name};
}

}  // namespace proxy::environment
