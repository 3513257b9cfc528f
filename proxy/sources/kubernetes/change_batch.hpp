// Changes that came together: the last one of each key, in the order in which keys came first.
//
// Pure.
#pragma once

#include "proxy/sources/source.hpp"

#include <map>
#include <utility>
#include <vector>

namespace proxy::sources::kubernetes {

class ChangeBatch {
 public:
  void add(std::vector<Change> changes) {
    for (auto& change : changes) {
      const auto [place, is_new] = places_.try_emplace(key_of(change), changes_.size());
      if (is_new) {
        changes_.push_back(std::move(change));
      } else {
        changes_[place->second] = std::move(change);
      }
    }
  }
  [[nodiscard]] std::vector<Change> take() {
    places_.clear();
    return std::exchange(changes_, {});
  }
  [[nodiscard]] bool empty() const { return changes_.empty(); }

 private:
  static records::RecordKey key_of(const Change& change) {
    const auto* record = std::get_if<records::Record>(&change);
    return record != nullptr ? records::key_of(*record) : std::get<Removal>(change).key;
  }

  std::vector<Change> changes_;
  std::map<records::RecordKey, std::size_t> places_;
};

}  // namespace proxy::sources::kubernetes
