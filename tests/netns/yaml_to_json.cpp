#include "tests/netns/yaml_to_json.hpp"

#include <array>
#include <cstdio>
#include <regex>

namespace netns {
namespace {

bool is_number(const std::string& text) {
  static const std::regex number{R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)"};
  return std::regex_match(text, number);
}

std::string scalar(const YAML::Node& node) {
  const auto& text = node.Scalar();
  if (node.Tag() == "!") return json_string(text);  // yaml-cpp's mark for a quoted scalar
  if (text.empty() || text == "~" || text == "null") return "null";
  if (text == "true" || text == "false" || is_number(text)) return text;
  return json_string(text);
}

}  // namespace

std::string json_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
      result += escaped.data();
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string to_json(const YAML::Node& node) {
  std::string result;
  const auto separate = [&result] { result += result.size() > 1 ? "," : ""; };
  switch (node.Type()) {
    case YAML::NodeType::Map:
      result = "{";
      for (const auto& item : node) {
        separate();
        result += json_string(item.first.Scalar()) + ":" + to_json(item.second);
      }
      return result + "}";
    case YAML::NodeType::Sequence:
      result = "[";
      for (const auto& item : node) {
        separate();
        result += to_json(item);
      }
      return result + "]";
    case YAML::NodeType::Scalar:
      return scalar(node);
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
  }
  return "null";
}

}  // namespace netns
