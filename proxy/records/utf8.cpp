#include "proxy/records/utf8.hpp"

#include <cstdint>

namespace proxy::records {
namespace {

struct Range {
  std::uint8_t least = 0x80, most = 0xbf;
};

// What may follow a first byte (RFC 3629 §4): how many bytes, and the range of the first of them.
struct Continuation {
  std::size_t bytes = 0;
  Range second;
};
std::optional<Continuation> continuation_of(std::uint8_t first) {
  if (first >= 0xc2 && first <= 0xdf) return Continuation{1, {}};
  if (first == 0xe0) return Continuation{2, {0xa0, 0xbf}};
  if (first == 0xed) return Continuation{2, {0x80, 0x9f}};
  if (first >= 0xe1 && first <= 0xef) return Continuation{2, {}};
  if (first == 0xf0) return Continuation{3, {0x90, 0xbf}};
  if (first >= 0xf1 && first <= 0xf3) return Continuation{3, {}};
  if (first == 0xf4) return Continuation{3, {0x80, 0x8f}};
  return std::nullopt;
}

bool is_allowed_ascii(std::uint8_t byte) {
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t' || byte == '\n' || byte == '\r';
}

}  // namespace

std::optional<std::size_t> find_not_text(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  for (std::size_t i = 0; i < bytes.size();) {
    if (byte(i) < 0x80) {
      if (!is_allowed_ascii(byte(i))) return i;
      ++i;
      continue;
    }
    const auto rest = continuation_of(byte(i));
    if (!rest || i + rest->bytes >= bytes.size()) return i;
    if (byte(i + 1) < rest->second.least || byte(i + 1) > rest->second.most) return i;
    for (std::size_t k = 2; k <= rest->bytes; ++k) {
      if (byte(i + k) < 0x80 || byte(i + k) > 0xbf) return i;
    }
    i += rest->bytes + 1;
  }
  return std::nullopt;
}

}  // namespace proxy::records
