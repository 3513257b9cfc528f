// Finds names by a label. Keeps a hash of the label instead of the label, so that what is found may
// in rare cases not have it: compare before use.
#pragma once

#include "proxy/records/objects.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace proxy::sources::manifests {

class LabelIndex {
 public:
  using Label = records::Labels::value_type;

  void insert(const Label& label, const std::string& name) { entries_.emplace(hash(label), name); }
  void erase(const Label& label, const std::string& name) { entries_.erase({hash(label), name}); }

  // In the order of names.
  template <class Visit>
  void for_each(const Label& label, Visit visit) const {
    const auto wanted = hash(label);
    for (auto at = first(wanted); at != entries_.end() && at->first == wanted; ++at) {
      visit(at->second);
    }
  }

  // The label of `labels` (not empty) that the fewest names have; beyond a few it does not matter.
  [[nodiscard]] const Label& rarest(const records::Labels& labels) const {
    return *std::ranges::min_element(labels, {}, [this](const Label& label) {
      constexpr std::size_t kMany = 32;
      const auto wanted = hash(label);
      std::size_t count = 0;
      for (auto at = first(wanted); at != entries_.end() && at->first == wanted && count < kMany;
           ++at) {
        ++count;
      }
      return count;
    });
  }

 private:
  using Entry = std::pair<std::size_t, std::string>;

  static std::size_t hash(const Label& label) {
    const std::hash<std::string_view> one;
    return one(label.first) * 31 + one(label.second);
  }
  [[nodiscard]] std::set<Entry>::const_iterator first(std::size_t wanted) const {
    return entries_.lower_bound({wanted, {}});
  }

  std::set<Entry> entries_;
};

}  // namespace proxy::sources::manifests
