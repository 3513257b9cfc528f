#include "dns/name.hpp"

#include <algorithm>
#include <cstring>

namespace dns {

namespace {

constexpr std::uint8_t kPointer = 0xc0;  // the two top bits of a length byte
constexpr int kMaxJumps = 127;           // no honest name has more labels than that

// ASCII upper case to lower in eight bytes at once; bytes above 127 stay. Length bytes of labels
// (at most 63) are below 'A' and so untouched.
std::uint64_t lower_word(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const std::uint64_t low7 = word & (0x7f * kOnes);
  const std::uint64_t from_a = low7 + (0x80 - 'A') * kOnes;  // bit 7: byte >= 'A'
  const std::uint64_t past_z = low7 + (0x7f - 'Z') * kOnes;  // bit 7: byte > 'Z'
  const std::uint64_t upper = (from_a & ~past_z & ~word) & (0x80 * kOnes);
  return word | upper >> 2;  // 0x80 -> 0x20, the case bit
}

}  // namespace

bool LowerName::finish(std::size_t size) {
  for (std::size_t i = 0; i < size; i += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, &bytes_[i], sizeof word);
    word = lower_word(word);
    std::memcpy(&bytes_[i], &word, sizeof word);
  }
  size_ = static_cast<std::uint8_t>(size);
  labels_ = 0;
  for (std::size_t at = 0; bytes_[at] != 0; at += std::size_t{bytes_[at]} + 1) {
    starts_[labels_++] = static_cast<std::uint8_t>(at);
  }
  return true;
}

bool LowerName::read_question(Reader& reader) {
  const auto rest = reader.all().subspan(reader.position());
  const std::size_t limit = std::min(rest.size(), kMaxNameSize);
  std::size_t at = 0;
  while (at < limit && rest[at] != 0) {
    if (rest[at] > kMaxLabelSize) break;
    at += std::size_t{rest[at]} + 1;
  }
  if (at >= limit || rest[at] != 0) {
    reader.fail();
    return false;
  }
  const std::size_t size = at + 1;
  std::memcpy(bytes_.data(), rest.data(), size);
  reader.skip(size);
  return finish(size);
}

bool LowerName::read_compressed(Reader& reader) {
  const auto message = reader.all();
  std::size_t at = reader.position();
  std::size_t size = 0;
  bool jumped = false;
  int jumps = 0;
  const auto fail = [&] {
    reader.fail();
    clear();
    return false;
  };
  if (reader.failed()) return fail();
  while (true) {
    if (at >= message.size()) return fail();
    const std::uint8_t length = message[at];
    if ((length & kPointer) == kPointer) {
      if (at + 1 >= message.size()) return fail();
      const std::size_t target = std::size_t{length & 0x3fu} << 8 | message[at + 1];
      if (!jumped) reader.skip(at + 2 - reader.position());
      // Strictly backwards, so there is no loop; the count bounds chains of pointers to pointers.
      if (target >= at || ++jumps > kMaxJumps) return fail();
      jumped = true;
      at = target;
      continue;
    }
    if (length > kMaxLabelSize) return fail();
    const std::size_t step = std::size_t{length} + 1;
    if (message.size() - at < step || size + step > kMaxNameSize) return fail();
    std::memcpy(&bytes_[size], &message[at], step);
    size += step;
    at += step;
    if (length == 0) break;
  }
  if (!jumped) reader.skip(at - reader.position());
  return finish(size);
}

bool LowerName::assign(Bytes wire) {
  std::size_t at = 0;
  while (at < wire.size() && wire[at] != 0) {
    if (wire[at] > kMaxLabelSize) return false;
    at += std::size_t{wire[at]} + 1;
  }
  const bool with_zero = at + 1 == wire.size() && wire[at] == 0;
  if (!with_zero && at != wire.size()) return false;
  if (at + 1 > kMaxNameSize) return false;
  if (at > 0) std::memcpy(bytes_.data(), wire.data(), at);
  bytes_[at] = 0;
  return finish(at + 1);
}

bool LowerName::join(Bytes prefix, const LowerName& suffix) {
  if (prefix.size() + suffix.size() > kMaxNameSize) return false;
  std::array<std::uint8_t, kMaxNameSize> joined;
  std::copy(prefix.begin(), prefix.end(), joined.begin());
  std::copy_n(suffix.bytes_.begin(), suffix.size_,
              joined.begin() + static_cast<std::ptrdiff_t>(prefix.size()));
  return assign(Bytes{joined}.first(prefix.size() + suffix.size_));
}

bool LowerName::is_below_or_at(const LowerName& suffix) const {
  if (labels_ < suffix.labels_ || size_ < suffix.size_) return false;
  const std::size_t begin = size_ - suffix.size_;
  return start(labels_ - suffix.labels_) == begin &&
         std::memcmp(&bytes_[begin], suffix.bytes_.data(), suffix.size_) == 0;
}

std::string LowerName::text() const {
  return name_text(wire());
}

bool operator==(const LowerName& a, const LowerName& b) {
  return a.size_ == b.size_ && std::memcmp(a.bytes_.data(), b.bytes_.data(), a.size_) == 0;
}

Result<LowerName> parse_name(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return proxy::invalid("name \"" + std::string{text} + "\": " + std::string{why});
  };
  std::string wire;
  std::string label;
  const auto end_label = [&]() -> bool {
    if (label.empty() || label.size() > kMaxLabelSize) return false;
    wire.push_back(static_cast<char>(label.size()));
    wire += label;
    label.clear();
    return true;
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty()) return bad("is empty");
  if (text == ".") text = {};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      if (!end_label()) return bad("has a label that is empty or longer than 63 bytes");
      continue;
    }
    if (text[i] != '\\') {
      label.push_back(text[i]);
      continue;
    }
    if (i + 3 < text.size() && is_digit(text[i + 1]) && is_digit(text[i + 2]) &&
        is_digit(text[i + 3])) {
      const int value = (text[i + 1] - '0') * 100 + (text[i + 2] - '0') * 10 + (text[i + 3] - '0');
      if (value > 255) return bad("has an escape above \\255");
      label.push_back(static_cast<char>(value));
      i += 3;
    } else if (i + 1 < text.size() && !is_digit(text[i + 1])) {
      label.push_back(text[++i]);
    } else {
      return bad("has an unfinished escape");
    }
  }
  if (!label.empty() && !end_label()) return bad("has a label longer than 63 bytes");
  LowerName name;
  if (!name.assign(Bytes{reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()})) {
    return bad("is longer than 255 bytes");
  }
  return name;
}

std::string label_of(std::string_view text) {
  if (text.empty() || text.size() > kMaxLabelSize) return {};
  std::string label(1, static_cast<char>(text.size()));
  for (const char c : text) {
    label.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
  }
  return label;
}

std::string name_text(Bytes wire) {
  std::string text;
  std::size_t at = 0;
  while (at < wire.size() && wire[at] != 0) {
    const std::size_t end = std::min(at + wire[at] + 1, wire.size());
    for (++at; at < end; ++at) {
      const char c = static_cast<char>(wire[at]);
      if (std::string_view{".\\\"();@$"}.find(c) != std::string_view::npos) {
        text += '\\';
        text += c;
      } else if (wire[at] > 32 && wire[at] < 127) {
        text += c;
      } else {
        text += '\\';
        for (const int power : {100, 10, 1}) text += static_cast<char>('0' + wire[at] / power % 10);
      }
    }
    text += '.';
  }
  if (text.empty()) text = ".";
  return text;
}

void skip_name(Reader& reader) {
  while (!reader.failed()) {
    const std::uint8_t length = reader.u8();
    if ((length & kPointer) == kPointer) {
      reader.skip(1);
      return;
    }
    if (length > kMaxLabelSize) {
      reader.fail();
      return;
    }
    if (length == 0) return;
    reader.skip(length);
  }
}

}  // namespace dns
