// Names of tables and chains as the kernel has them: values, no allocation.
#pragma once

#include "proxy/ip_address.hpp"

#include <array>
#include <cassert>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

namespace modes::netfilter {

using proxy::Family;

// The tables of iptables that we write to; the private table of a family is never one of them.
enum class Table : std::uint8_t { nat, filter };
inline constexpr std::array kTables{Table::nat, Table::filter};
[[nodiscard]] constexpr std::string_view to_string(Table table) {
  return table == Table::nat ? "nat" : "filter";
}

// At most 28 characters: what iptables-restore accepts (XT_EXTENSION_MAXNAMELEN less one).
class ChainName {
 public:
  static constexpr std::size_t kMaxSize = 28;

  ChainName() = default;
  // Requires text.size() <= kMaxSize.
  ChainName(std::string_view text) {  // NOLINT(google-explicit-constructor): reads as a name
    assert(text.size() <= kMaxSize);
    std::memcpy(text_.data(), text.data(), text.size());
  }
  ChainName(const char* text) : ChainName{std::string_view{text}} {}

  [[nodiscard]] std::string_view view() const { return {text_.data()}; }
  [[nodiscard]] const char* c_str() const { return text_.data(); }
  [[nodiscard]] bool empty() const { return text_[0] == '\0'; }

  friend auto operator<=>(const ChainName&, const ChainName&) = default;
  friend bool operator==(const ChainName&, const ChainName&) = default;

 private:
  std::array<char, kMaxSize + 1> text_{};
};

struct ChainKey {
  Family family = Family::v4;
  Table table = Table::nat;
  ChainName name;

  friend auto operator<=>(const ChainKey&, const ChainKey&) = default;
  friend bool operator==(const ChainKey&, const ChainKey&) = default;
};

}  // namespace modes::netfilter

template <>
struct std::hash<modes::netfilter::ChainKey> {
  std::size_t operator()(const modes::netfilter::ChainKey& key) const noexcept {
    return std::hash<std::string_view>{}(key.name.view()) * 4 +
           static_cast<std::size_t>(key.family) * 2 + static_cast<std::size_t>(key.table);
  }
};
