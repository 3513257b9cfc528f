#include "proxy/records/yaml_scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

namespace proxy::records {
namespace {

template <std::size_t N>
bool among(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, text) != words.end();
}

constexpr std::array<std::string_view, 5> kNull{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 11> kTrue{"y",    "Y",    "yes", "Yes", "YES", "true",
                                                 "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse{"n",     "N",     "no",  "No",  "NO", "false",
                                                  "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 12> kNoNumber{".nan",  ".NaN",  ".NAN",  ".inf",
                                                     ".Inf",  ".INF",  "+.inf", "+.Inf",
                                                     "+.INF", "-.inf", "-.Inf", "-.INF"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Digits of an integer literal, and in which base: 0x1f, 0o17, 017, 0b11, 31.
struct Digits {
  std::string_view text;
  int base = 10;
};
Digits split_base(std::string_view unsigned_text) {
  if (unsigned_text.size() < 2 || unsigned_text[0] != '0') return {unsigned_text};
  switch (unsigned_text[1]) {
    case 'x':
    case 'X':
      return {unsigned_text.substr(2), 16};
    case 'o':
    case 'O':
      return {unsigned_text.substr(2), 8};
    case 'b':
    case 'B':
      return {unsigned_text.substr(2), 2};
    default:
      return {unsigned_text.substr(1), 8};
  }
}

// An integer that fits 64 bits; a decimal one may have more digits, JSON does not mind.
std::optional<std::string> integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto [digits, base] = split_base(text);
  if (digits.empty() || digits.front() == '-') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end != digits.data() + digits.size()) return std::nullopt;
  const auto sign = negative ? "-" : "";
  if (error == std::errc{}) return sign + std::to_string(value);
  if (base == 10) return sign + std::string{digits};
  return std::nullopt;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_float(std::string_view text) {
  const auto skip_sign = [&] {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  };
  const auto skip_digits = [&] {
    const auto size =
        static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
    text.remove_prefix(size);
    return size;
  };
  skip_sign();
  auto digits = skip_digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const auto fraction = skip_digits();
    if (digits == 0 && fraction == 0) return false;
    digits += fraction;
  }
  if (digits == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    skip_sign();
    if (skip_digits() == 0) return false;
  }
  return text.empty();
}

// As Go's encoding/json prints it: 80.0 is 80, and no exponent below 1e21.
std::optional<std::string> floating(std::string_view text) {
  if (!looks_like_float(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  std::array<char, 64> buffer{};
  const auto magnitude = std::abs(value);
  const bool plain = magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21);
  const auto printed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string{buffer.data(), printed.ptr};
}

// Digits may be grouped (1_000), but not behind a dot in front.
std::optional<std::string> number(std::string_view text) {
  if (text.front() == '.') return floating(text);
  std::string plain{text};
  std::erase(plain, '_');
  auto value = integer(plain);
  return value ? value : floating(plain);
}

}  // namespace

void append_json_string(std::string& json, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      const auto byte = static_cast<unsigned char>(c);
      json += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 0xf]};
    } else {
      json += c;
    }
  }
  json += '"';
}

Result<std::string> json_of_plain_scalar(std::string_view text) {
  if (among(text, kNull)) return "null";
  if (among(text, kTrue)) return "true";
  if (among(text, kFalse)) return "false";
  if (among(text, kNoNumber)) return invalid("\"" + std::string{text} + "\" is no JSON value");
  if (is_digit(text.front()) || text.front() == '-' || text.front() == '+' || text.front() == '.') {
    if (auto value = number(text)) return *std::move(value);
  }
  std::string json;
  append_json_string(json, text);
  return json;
}

}  // namespace proxy::records
