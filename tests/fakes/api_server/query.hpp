// An HTTP request as the fake API server sees it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fakes {

struct Request {
  std::string target;  // as it came
  std::string path;
  std::map<std::string, std::string> parameters;
  std::map<std::string, std::string> headers;  // names in lower case

  [[nodiscard]] std::string parameter(const std::string& name) const;  // empty if absent
  [[nodiscard]] std::string header(const std::string& name) const;
};

[[nodiscard]] Request parse_request(const std::string& head);
[[nodiscard]] std::vector<std::string> split(const std::string& text, char separator);
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace fakes
