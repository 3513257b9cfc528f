#include "proxy/sources/manifests/catalogue.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>
#include <unordered_set>

namespace proxy::sources::manifests {

void Catalogue::set(const std::string& file, std::vector<Claim> claims) {
  const auto known = files_.try_emplace(file).first;
  const auto last = std::exchange(known->second, std::move(claims));

  // By identity: what was taken over from the last version needs no second look.
  std::unordered_set<RecordPtr> now;
  for (const auto& claim : known->second) now.insert(claim.record);
  std::unordered_set<RecordPtr> then;
  for (const auto& claim : last) {
    then.insert(claim.record);
    if (!now.contains(claim.record)) remove(known->first, claim.record);
  }
  for (const auto& claim : known->second) {
    if (!then.contains(claim.record)) add(known->first, claim.record);
  }
  // What stayed may have changed places with what it contradicts.
  for (const auto& key : contested_) {
    auto& says = says_.at(key);
    touch(key, says.front().record);
    std::ranges::sort(says, {}, [&](const Say& say) {
      return std::tuple<const std::string&, std::size_t>{*say.file, place_of(say)};
    });
  }
  if (known->second.empty()) files_.erase(known);
}

void Catalogue::add(const std::string& file, const RecordPtr& record) {
  auto key = key_of(*record);
  auto& says = says_[key];
  touch(key, says.empty() ? nullptr : says.front().record);
  says.push_back({.file = &file, .record = record});
  if (says.size() > 1) contested_.insert(std::move(key));
}

void Catalogue::remove(const std::string& file, const RecordPtr& record) {
  const auto key = key_of(*record);
  const auto found = says_.find(key);
  assert(found != says_.end());
  auto& says = found->second;
  touch(key, says.front().record);
  std::erase_if(says, [&](const Say& say) { return say.file == &file && say.record == record; });
  if (says.size() < 2) contested_.erase(key);
  if (says.empty()) says_.erase(found);
}

void Catalogue::touch(const records::RecordKey& key, const RecordPtr& before) {
  before_.try_emplace(key, before);
}

std::size_t Catalogue::place_of(const Say& say) const {
  const auto& claims = files_.at(*say.file);
  return static_cast<std::size_t>(std::ranges::find(claims, say.record, &Claim::record) -
                                  claims.begin());
}

std::vector<RecordChange> Catalogue::take_changes() {
  std::vector<RecordChange> changes;
  for (auto& [key, before] : before_) {
    const auto found = says_.find(key);
    auto after = found == says_.end() ? nullptr : found->second.front().record;
    if (before == after || (before && after && *before == *after)) continue;
    changes.push_back({key, std::move(before), std::move(after)});
  }
  before_.clear();
  return changes;
}

std::vector<Conflict> Catalogue::conflicts() const {
  std::vector<Conflict> found;
  for (const auto& key : contested_) {
    const auto& says = says_.at(key);
    const auto line = [&](const Say& say) { return files_.at(*say.file)[place_of(say)].line; };
    for (std::size_t i = 1; i < says.size(); ++i) {
      found.push_back({.key = key,
                       .winning_file = *says[0].file,
                       .losing_file = *says[i].file,
                       .winning_line = line(says[0]),
                       .losing_line = line(says[i])});
    }
  }
  return found;
}

}  // namespace proxy::sources::manifests
