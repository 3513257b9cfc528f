#include "proxy/config/flag_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace proxy::config {
namespace {

template <class T>
Result<void> only_error(const Result<T>& parsed) {
  if (!parsed) return parsed.error();
  return {};
}

Result<void> check_map(std::string_view text) {
  for (const auto& entry : split_list(text)) {
    const auto equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos || !parse_bool(entry.substr(equals + 1))) {
      return invalid(fmt::format("\"{}\" is not NAME=true or NAME=false", entry));
    }
  }
  return {};
}

// resource.Quantity without exponents: digits, perhaps a fraction, perhaps a suffix.
Result<void> check_quantity(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto suffix = text.substr(digits);
  constexpr std::array<std::string_view, 15> kSuffixes{"",  "n", "u",  "m",  "k",  "M",  "G", "T",
                                                       "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"};
  if (digits == 0 || !parse_decimal(text.substr(0, digits)) ||
      std::ranges::find(kSuffixes, suffix) == kSuffixes.end()) {
    return invalid(fmt::format("\"{}\" is not a quantity such as 0 or 64Ki", text));
  }
  return {};
}

Result<void> check(FlagType type, const std::string& text) {
  switch (type) {
    case FlagType::boolean:
      return only_error(parse_bool(text));
    case FlagType::integer:
      return only_error(parse_int(text));
    case FlagType::decimal:
      return only_error(parse_decimal(text));
    case FlagType::duration:
      return only_error(parse_duration(text));
    case FlagType::ip:
      if (!parse_ip(text)) return invalid(fmt::format("\"{}\" is not an IP address", text));
      return {};
    case FlagType::socket_address:
      if (text.empty()) return {};
      return only_error(parse_socket_address(text, Port{}));
    case FlagType::map:
      return check_map(text);
    case FlagType::quantity:
      return check_quantity(text);
    case FlagType::version:
      if (text == "raw") return {};
      return only_error(parse_bool(text));
    case FlagType::text:
    case FlagType::path:
    case FlagType::list:
      return {};
  }
  return {};
}

}  // namespace

Result<void> FlagValues::give(const Flag& flag, std::string text) {
  return give(flag, std::move(text), fmt::format("--{}", flag.name));
}

Result<void> FlagValues::give(const Flag& flag, std::string text, std::string place) {
  if (text.find('\0') != std::string::npos) {
    return invalid(fmt::format("{}: holds a zero byte", place));
  }
  if (const auto good = check(flag.type, text); !good) return within(place, good.error());
  auto& value = given_[std::string{flag.name}];
  const bool grows = flag.type == FlagType::list || flag.type == FlagType::map;
  if (grows && !value.text.empty()) text = value.text + "," + text;
  value = {std::move(text), std::move(place)};
  return {};
}

void FlagValues::forget(std::string_view name) {
  if (const auto found = given_.find(name); found != given_.end()) given_.erase(found);
}

std::string FlagValues::place(std::string_view name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? fmt::format("--{}", name) : found->second.place;
}

Error FlagValues::at_its_place(Error error) const {
  const auto colon = error.context.find(':');
  if (!error.context.starts_with("--") || colon == std::string::npos) return error;
  const auto name = error.context.substr(2, colon - 2);
  error.context.replace(0, colon, place(name));
  return error;
}

std::string FlagValues::text(std::string_view name) const {
  if (const auto found = given_.find(name); found != given_.end()) return found->second.text;
  const auto* flag = find_flag(name);
  assert(flag != nullptr);
  return std::string{flag->standard};
}

bool FlagValues::boolean(std::string_view name) const {
  const auto value = parse_bool(text(name));
  assert(value);
  return *value;
}

std::int32_t FlagValues::integer(std::string_view name) const {
  const auto value = parse_int(text(name));
  assert(value);
  return *value;
}

std::chrono::nanoseconds FlagValues::duration(std::string_view name) const {
  const auto value = parse_duration(text(name));
  assert(value);
  return *value;
}

std::vector<std::string> FlagValues::list(std::string_view name) const {
  return split_list(text(name));
}

}  // namespace proxy::config
