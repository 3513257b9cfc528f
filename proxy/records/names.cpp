#include "proxy/records/names.hpp"

#include "proxy/printable.hpp"

#include <algorithm>

namespace proxy::records {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_label_of_any_length(std::string_view label) {
  return !label.empty() && is_alphanumeric(label.front()) && is_alphanumeric(label.back()) &&
         std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

}  // namespace

bool is_dns_label(std::string_view name) {
  return name.size() <= 63 && is_label_of_any_length(name);
}

bool is_dns_subdomain(std::string_view name) {
  if (name.size() > 253) return false;
  for (;;) {
    const auto dot = name.find('.');
    if (!is_label_of_any_length(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMost = 64;  // bytes
  return '"' + printable(text.substr(0, kMost)) + (text.size() > kMost ? "…\"" : "\"");
}

}  // namespace proxy::records
