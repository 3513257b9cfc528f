#include "proxy/config/values.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace proxy::config {
namespace {

using std::chrono::nanoseconds;

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
// Longer names first where one is the beginning of another. µ exists twice in Unicode.
constexpr std::array kUnits{
    Unit{"ns", 1},
    Unit{"us", 1'000},
    Unit{"\u00b5s", 1'000},
    Unit{"\u03bcs", 1'000},
    Unit{"ms", 1'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"h", 3'600'000'000'000},
};

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view take_digits(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && is_digit(text[size])) ++size;
  const auto digits = text.substr(0, size);
  text.remove_prefix(size);
  return digits;
}

// One "1.5h" from the front of `text`, in nanoseconds; nullopt if there is none or it is too long.
std::optional<std::int64_t> take_term(std::string_view& text) {
  const auto whole = take_digits(text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;

  std::size_t unit_size = 0;  // a unit reaches to the next number
  while (unit_size < text.size() && text[unit_size] != '.' && !is_digit(text[unit_size])) {
    ++unit_size;
  }
  const auto name = text.substr(0, unit_size);
  text.remove_prefix(unit_size);
  for (const auto& unit : kUnits) {
    if (unit.name != name) continue;
    std::int64_t value = 0;
    for (const char digit : whole) {
      if (__builtin_mul_overflow(value, 10, &value)) return std::nullopt;
      if (__builtin_add_overflow(value, digit - '0', &value)) return std::nullopt;
    }
    if (__builtin_mul_overflow(value, unit.nanoseconds, &value)) return std::nullopt;
    // What is below a nanosecond is cut off, and with it digits that no unit can show.
    std::int64_t part = 0;
    std::int64_t scale = 1;
    for (const char digit : fraction.substr(0, 15)) {
      part = part * 10 + (digit - '0');
      scale *= 10;
    }
    const auto rest = static_cast<std::int64_t>(__int128{part} * unit.nanoseconds / scale);
    if (__builtin_add_overflow(value, rest, &value)) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

// count/unit exactly, for a unit that is a power of ten.
std::string decimal(std::int64_t count, std::int64_t unit) {
  auto text = fmt::format("{}", count / unit);
  if (count % unit == 0) return text;
  // A leading 1 keeps the zeros after the point.
  const auto fraction = fmt::format("{}", unit + count % unit);
  text += '.';
  text += fraction.substr(1, fraction.find_last_not_of('0'));
  return text;
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::string SocketAddress::text() const {
  const auto host = address.text();
  if (address.family() == Family::v6) return fmt::format("[{}]:{}", host, port.value);
  return fmt::format("{}:{}", host, port.value);
}

Result<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return invalid(fmt::format("\"{}\" is neither true nor false", text));
}

Result<nanoseconds> parse_duration(std::string_view text) {
  auto rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return nanoseconds{0};

  std::int64_t sum = 0;
  bool good = !rest.empty();
  while (good && !rest.empty()) {
    const auto term = take_term(rest);
    good = term && !__builtin_add_overflow(sum, *term, &sum);
  }
  if (!good) {
    return invalid(fmt::format("\"{}\" is not a duration such as 500ms, 30s or 1h0m0s", text));
  }
  return nanoseconds{negative ? -sum : sum};
}

std::string duration_text(nanoseconds duration) {
  const auto count = duration.count();
  if (count == 0) return "0s";
  if (count < 0) return "-" + duration_text(-duration);
  if (count < 1'000) return fmt::format("{}ns", count);
  if (count < 1'000'000) return decimal(count, 1'000) + "\u00b5s";
  if (count < 1'000'000'000) return decimal(count, 1'000'000) + "ms";
  auto seconds = decimal(count % 60'000'000'000, 1'000'000'000) + "s";
  const auto minutes = count / 60'000'000'000;
  if (minutes == 0) return seconds;
  if (minutes < 60) return fmt::format("{}m{}", minutes, seconds);
  return fmt::format("{}h{}m{}", minutes / 60, minutes % 60, seconds);
}

Result<std::int32_t> parse_int(std::string_view text) {
  auto rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  int base = 10;
  if (rest.starts_with("0x") || rest.starts_with("0X")) base = 16;
  if (rest.starts_with("0o") || rest.starts_with("0O")) base = 8;
  if (rest.starts_with("0b") || rest.starts_with("0B")) base = 2;
  if (base != 10) rest.remove_prefix(2);

  std::uint64_t value = 0;
  const auto* end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, value, base);
  const auto limit = std::uint64_t{std::numeric_limits<std::int32_t>::max()} + (negative ? 1 : 0);
  if (error != std::errc{} || stop != end || value > limit) {
    return invalid(fmt::format("\"{}\" is not a whole number of 32 bits", text));
  }
  const auto number = static_cast<std::int64_t>(value);
  return static_cast<std::int32_t>(negative ? -number : number);
}

Result<double> parse_decimal(std::string_view text) {
  double value = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || !std::isfinite(value)) {
    return invalid(fmt::format("\"{}\" is not a number", text));
  }
  return value;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> entries;
  if (without_blanks(text).empty()) return entries;
  while (true) {
    const auto comma = text.find(',');
    entries.emplace_back(without_blanks(text.substr(0, comma)));
    if (comma == std::string_view::npos) return entries;
    text.remove_prefix(comma + 1);
  }
}

Result<std::vector<IpPrefix>> parse_prefixes(std::string_view text) {
  std::vector<IpPrefix> prefixes;
  for (const auto& entry : split_list(text)) {
    const auto prefix = parse_prefix(entry);
    if (!prefix) {
      return invalid(fmt::format("\"{}\" is not a CIDR such as 10.0.0.0/8 or fd00::/64", entry));
    }
    prefixes.push_back(*prefix);
  }
  return prefixes;
}

Result<SocketAddress> parse_socket_address(std::string_view text, Port default_port) {
  const auto bad = [&](std::string_view why) {
    return invalid(
        fmt::format("\"{}\" is not an IP:port such as 0.0.0.0:10256 or [::]:10256: {}", text, why));
  };
  if (const auto alone = parse_ip(text)) return SocketAddress{*alone, default_port};

  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad("no such address");
  auto host = text.substr(0, colon);
  const auto bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_ip(host);
  if (!address) return bad("no such address");
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return bad("an IPv6 address stands in brackets");
  }
  std::uint16_t port = 0;
  const auto digits = text.substr(colon + 1);
  const auto* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || stop != end) return bad("a port is from 0 to 65535");
  return SocketAddress{*address, Port{port}};
}

}  // namespace proxy::config
