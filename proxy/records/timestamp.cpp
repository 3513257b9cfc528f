#include "proxy/records/timestamp.hpp"

#include <algorithm>

namespace proxy::records {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes fixed-width numbers and signs from the front; remembers that one was not there.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_{text} {}

  int number(std::size_t digits, int least, int most) {
    if (text_.size() < digits) return bad();
    int value = 0;
    for (const char c : text_.substr(0, digits)) {
      if (!is_digit(c)) return bad();
      value = value * 10 + (c - '0');
    }
    text_.remove_prefix(digits);
    return value < least || value > most ? bad() : value;
  }
  char one_of(std::string_view signs) {
    if (text_.empty() || signs.find(text_.front()) == std::string_view::npos) {
      good_ = false;
      return '\0';
    }
    const char sign = text_.front();
    text_.remove_prefix(1);
    return sign;
  }
  std::chrono::nanoseconds fraction() {
    if (text_.empty() || text_.front() != '.') return {};
    text_.remove_prefix(1);
    const auto size = std::min(text_.find_first_not_of("0123456789"), text_.size());
    if (size == 0) bad();
    std::int64_t nanoseconds = 0;
    for (std::size_t i = 0; i < 9; ++i) {
      nanoseconds = nanoseconds * 10 + (i < size ? text_[i] - '0' : 0);
    }
    text_.remove_prefix(size);
    return std::chrono::nanoseconds{nanoseconds};
  }
  [[nodiscard]] bool good_at_end() const { return good_ && text_.empty(); }

 private:
  int bad() {
    good_ = false;
    return 0;
  }
  std::string_view text_;
  bool good_ = true;
};

}  // namespace

std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  Cursor cursor{text};
  const int y = cursor.number(4, 1, 9999);
  cursor.one_of("-");
  const int mo = cursor.number(2, 1, 12);
  cursor.one_of("-");
  const int d = cursor.number(2, 1, 31);
  cursor.one_of("Tt ");
  const int h = cursor.number(2, 0, 23);
  cursor.one_of(":");
  const int mi = cursor.number(2, 0, 59);
  cursor.one_of(":");
  const int s = cursor.number(2, 0, 60);
  const auto fraction = cursor.fraction();
  const char zone = cursor.one_of("Zz+-");
  minutes offset{0};
  if (zone == '+' || zone == '-') {
    offset = hours{cursor.number(2, 0, 23)};
    cursor.one_of(":");
    offset += minutes{cursor.number(2, 0, 59)};
  }
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)},
                            day{static_cast<unsigned>(d)}};
  if (!cursor.good_at_end() || !date.ok()) return std::nullopt;
  // The clock's 64 bits of nanoseconds end in 2262.
  if (y < 1970 || y > 2200) return std::nullopt;
  const auto seconds_part = sys_days{date}.time_since_epoch() + hours{h} + minutes{mi} +
                            seconds{s} - (zone == '-' ? -offset : offset);
  return system_clock::time_point{
      duration_cast<system_clock::duration>(nanoseconds{seconds_part} + fraction)};
}

}  // namespace proxy::records
