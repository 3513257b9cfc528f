// A YAML node as JSON text, typed as kubectl would: quoted scalars are strings, plain ones null,
// booleans and numbers where YAML 1.2's core schema says so.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>

namespace netns {

[[nodiscard]] std::string to_json(const YAML::Node& node);
[[nodiscard]] std::string json_string(const std::string& text);  // quoted and escaped

}  // namespace netns
