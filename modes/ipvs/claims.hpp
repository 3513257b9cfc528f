// Things that several service ports may want at once (an address, a health check's port): there as
// long as anybody wants them, with the value of whoever was first.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

namespace modes::ipvs {

template <class Key, class Value>
class Claims {
 public:
  struct Change {
    Key key;
    std::optional<Value> before;
    std::optional<Value> after;
  };

  void add(const Key& key, const Value& value) {
    touch(key);
    claims_[key].push_back(value);
  }
  // Requires an add() of the same.
  void remove(const Key& key, const Value& value) {
    touch(key);
    auto& all = claims_.at(key);
    all.erase(std::ranges::find(all, value));
    if (all.empty()) claims_.erase(key);
  }

  [[nodiscard]] std::optional<Value> find(const Key& key) const {
    const auto it = claims_.find(key);
    if (it == claims_.end()) return std::nullopt;
    return it->second.front();
  }
  // What is different since the last call, in order.
  [[nodiscard]] std::vector<Change> take_changes() {
    std::vector<Change> out;
    for (auto& [key, before] : touched_) {
      auto after = find(key);
      if (before != after) out.push_back({key, std::move(before), std::move(after)});
    }
    touched_.clear();
    return out;
  }
  // All that is wanted: visit(key, value), in order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [key, values] : claims_) visit(key, values.front());
  }
  [[nodiscard]] std::size_t size() const { return claims_.size(); }

 private:
  void touch(const Key& key) {
    if (!touched_.contains(key)) touched_.emplace(key, find(key));
  }

  std::map<Key, std::vector<Value>> claims_;
  std::map<Key, std::optional<Value>> touched_;
};

}  // namespace modes::ipvs
