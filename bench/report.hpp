// What every bench does with its figures and its failures.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace bench {

// Says so on stderr and ends the process: a bench with a part missing has nothing to report.
[[noreturn]] void fail(const std::string& text);

// For programs (bench/figures.py reads it): a line "figure KEY VALUE" on stdout, beside the text
// for people, if the environment has VIADUCT_BENCH_FIGURES. A key is words joined by dots, its unit
// last.
void figure(const std::string& key, double value);

// Of at least one value.
template <class T, class Projection = std::identity>
T median(std::vector<T> values, Projection by = {}) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle, {}, by);
  return *middle;
}

}  // namespace bench
