#include "tests/fakes/api_server/query.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>

namespace fakes {
namespace {

std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string value_of(const std::map<std::string, std::string>& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? "" : found->second;
}

}  // namespace

std::string Request::parameter(const std::string& name) const {
  return value_of(parameters, name);
}
std::string Request::header(const std::string& name) const {
  return value_of(headers, name);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Request parse_request(const std::string& head) {
  Request request;
  auto lines = split(head, '\n');
  const auto words = split(lines.front(), ' ');
  if (words.size() < 2) return request;
  request.target = words[1];
  const auto question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string::npos) {
    for (const auto& pair : split(request.target.substr(question + 1), '&')) {
      const auto equals = pair.find('=');
      request.parameters[pair.substr(0, equals)] = unescaped(pair.substr(equals + 1));
    }
  }
  for (std::size_t i = 1; i < lines.size(); ++i) {
    auto line = lines[i];
    if (line.ends_with('\r')) line.pop_back();
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    auto name = line.substr(0, colon);
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request.headers[name] = line.substr(colon + 2);
  }
  return request;
}

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  return text;
}

}  // namespace fakes
