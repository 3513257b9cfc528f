#include "proxy/status/service_list.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace proxy::status {
namespace {

constexpr std::array kFares{Fare::up, Fare::partial, Fare::down, Fare::refused};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// application/x-www-form-urlencoded (URL standard); a % that begins nothing stands for itself.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

void set_number(std::size_t& number, std::string_view text) {
  std::size_t value = 0;
  const auto* end = text.data() + text.size();
  if (const auto [stop, error] = std::from_chars(text.data(), end, value);
      error == std::errc{} && stop == end) {
    number = value;
  }
}

void set(ServiceQuery& query, std::string_view name, std::string_view value) {
  if (name == "filter") query.filter = value;
  if (name == "state") {
    const auto* const found = std::ranges::find(kFares, value, [](Fare f) { return to_string(f); });
    if (found != kFares.end()) query.fare = *found;
  }
  if (name == "offset") set_number(query.offset, value);
  if (name == "limit") set_number(query.limit, value);
}

ServiceQuery bounded(ServiceQuery query) {
  query.limit = std::min(query.limit, ServiceQuery::kMostRows);
  return query;
}

}  // namespace

std::string_view to_string(Fare fare) {
  constexpr std::array<std::string_view, 4> kNames{"up", "partial", "down", "refused"};
  return kNames[static_cast<std::size_t>(fare)];
}

ServiceQuery service_query_of_url(std::string_view query) {
  ServiceQuery out;
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (const auto equals = pair.find('='); equals != std::string_view::npos) {
      set(out, pair.substr(0, equals), decoded(pair.substr(equals + 1)));
    }
  }
  return bounded(std::move(out));
}

ServiceQuery service_query_of_request(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  ServiceQuery out;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return out;
  }
  for (const auto* name : {"filter", "state", "offset", "limit"}) {
    const auto member = root[name];
    std::string_view text;
    if (member.get(text) == simdjson::SUCCESS) set(out, name, text);
    std::uint64_t number = 0;
    if (member.get(number) == simdjson::SUCCESS) set(out, name, std::to_string(number));
  }
  return bounded(std::move(out));
}

}  // namespace proxy::status
