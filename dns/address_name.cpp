#include "dns/address_name.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace dns {

namespace {

constexpr std::string_view kInAddr{"\7in-addr\4arpa", 13};
constexpr std::string_view kIp6{"\3ip6\4arpa", 9};
constexpr std::size_t kNibbles = 32;

bool equal(Bytes bytes, std::string_view text) {
  return bytes.size() == text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

// 0..255 in decimal without leading zeros, -1 for anything else.
int octet(std::string_view text) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return -1;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value <= 255 ? value : -1;
}

std::string_view text_of(Bytes label) {  // without its length byte
  return {reinterpret_cast<const char*>(label.data()) + 1, label.size() - 1};
}

int nibble(Bytes label) {
  if (label.size() != 2) return -1;
  const int c = label[1];
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<IpAddress> parse_reverse_v4(const LowerName& name) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    const int value = octet(text_of(name.label(3 - i)));
    if (value < 0) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(value);
  }
  return address_from(bytes);
}

std::optional<IpAddress> parse_reverse_v6(const LowerName& name) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < kNibbles; ++i) {
    const int value = nibble(name.label(kNibbles - 1 - i));
    if (value < 0) return std::nullopt;
    bytes[i / 2] = static_cast<std::uint8_t>(bytes[i / 2] << 4 | value);
  }
  return address_from(bytes);
}

std::optional<IpAddress> parse_dashed_v4(std::string_view label) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto dash = label.find('-');
    if ((dash == std::string_view::npos) != (i == 3)) return std::nullopt;
    const int value = octet(label.substr(0, dash));
    if (value < 0) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(value);
    if (i < 3) label.remove_prefix(dash + 1);
  }
  return address_from(bytes);
}

char* append_number(char* at, unsigned value, int base) {
  return std::to_chars(at, at + 5, value, base).ptr;
}

// The longest run of at least two zero groups, the first of equals (RFC 5952 §4.2).
struct ZeroRun {
  int first = -1;
  int length = 1;
};
ZeroRun longest_zero_run(const std::array<unsigned, 8>& groups) {
  ZeroRun best;
  for (int i = 0; i < 8; ++i) {
    int end = i;
    while (end < 8 && groups[static_cast<std::size_t>(end)] == 0) ++end;
    if (end - i > best.length) best = {i, end - i};
    if (end > i) i = end;
  }
  return best;
}

}  // namespace

std::optional<IpAddress> parse_reverse_name(const LowerName& name) {
  const std::size_t labels = name.label_count();
  if (labels == 6 && equal(name.labels(4, 6), kInAddr)) return parse_reverse_v4(name);
  if (labels == kNibbles + 2 && equal(name.labels(kNibbles, labels), kIp6)) {
    return parse_reverse_v6(name);
  }
  return std::nullopt;
}

bool is_reverse_name(const LowerName& name) {
  const std::size_t labels = name.label_count();
  if (labels < 2) return false;
  const auto last_two = name.labels(labels - 2, labels);
  return equal(last_two, kInAddr) || equal(last_two, kIp6);
}

std::optional<IpAddress> parse_dashed(std::string_view label) {
  if (const auto v4 = parse_dashed_v4(label)) return v4;
  std::array<char, 40> text{};
  if (label.size() >= text.size() || label.find('-') == std::string_view::npos) return std::nullopt;
  const bool hex = std::all_of(label.begin(), label.end(), [](char c) {
    return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (!hex) return std::nullopt;
  std::replace_copy(label.begin(), label.end(), text.begin(), '-', ':');
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, text.data(), bytes.data()) != 1) return std::nullopt;
  return address_from(bytes);
}

DashedLabel dashed_label(Bytes address) {
  DashedLabel label;
  char* const begin = reinterpret_cast<char*>(&label.bytes[1]);
  char* at = begin;
  if (address.size() == 4) {
    for (std::size_t i = 0; i < 4; ++i) {
      if (i > 0) *at++ = '-';
      at = append_number(at, address[i], 10);
    }
  } else {
    std::array<unsigned, 8> groups;
    for (std::size_t i = 0; i < 8; ++i) {
      groups[i] = static_cast<unsigned>(address[2 * i] << 8 | address[2 * i + 1]);
    }
    const auto zeros = longest_zero_run(groups);
    if (zeros.first == 0) *at++ = '0';  // a host name neither begins nor ends with a dash
    for (int i = 0; i < 8; ++i) {
      if (i == zeros.first) {  // "::"
        *at++ = '-';
        *at++ = '-';
        i += zeros.length - 1;
        continue;
      }
      if (i > 0 && i != zeros.first + zeros.length) *at++ = '-';
      at = append_number(at, groups[static_cast<std::size_t>(i)], 16);
    }
    if (zeros.first + zeros.length == 8) *at++ = '0';
  }
  label.bytes[0] = static_cast<std::uint8_t>(at - begin);
  return label;
}

}  // namespace dns
