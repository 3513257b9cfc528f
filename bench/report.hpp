// What every bench does with its figures and its failures.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace bench {

// Says so on stderr and ends the process: a bench with a part missing has nothing to report.
[[noreturn]] void fail(const std::string& text);

// Of at least one value.
template <class T, class Projection = std::identity>
T median(std::vector<T> values, Projection by = {}) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle, {}, by);
  return *middle;
}

}  // namespace bench
