#include "proxy/sources/kubernetes/record_store.hpp"

#include "proxy/records/mirror.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace proxy::sources::kubernetes {
namespace {

using records::ObjectName;
using records::Record;

constexpr std::size_t kMostGraves = 4096;

// Objects that could not even be named, in the order in which they came.
constexpr const char* kNameless = "";
constexpr std::size_t kMostNameless = 16;

}  // namespace

// ── lists ───────────────────────────────────────────────────────────────────────────────────────

void RecordStore::begin_list() {
  listed_.clear();
  listed_problems_.clear();
}

void RecordStore::list_item(records::Outcome item) {
  if (auto* decoded = std::get_if<records::Decoded>(&item)) {
    const auto& name = name_of(decoded->record);
    auto bytes = std::make_shared<const std::string>(to_bytes(decoded->record));
    // What did not change is not kept twice.
    const auto before = known_.find(name);
    if (before != known_.end() && *before->second.bytes == *bytes) bytes = before->second.bytes;
    note_problem(listed_problems_, name, std::move(decoded->remarks));
    listed_.insert_or_assign(name, Entry{ResourceVersion{decoded->resource_version}, bytes});
  } else if (const auto* rejected = std::get_if<records::Rejected>(&item)) {
    const auto name = rejected->key ? rejected->key->name : ObjectName{};
    note_problem(listed_problems_, name, {rejected->error.text()});
    if (!rejected->key) return;
    const auto before = known_.find(name);
    if (before != known_.end()) listed_.insert_or_assign(name, before->second);
  }
}

void RecordStore::list_without(const ObjectName& name) {
  listed_.erase(name);
  note_problem(listed_problems_, name, {});
}

std::vector<Change> RecordStore::list_changes() const {
  std::vector<Change> changes;
  for (const auto& [name, entry] : known_) {
    if (!listed_.contains(name)) changed(entry.bytes, nullptr, changes);
  }
  for (const auto& [name, entry] : listed_) {
    const auto before = known_.find(name);
    if (before == known_.end()) {
      changed(nullptr, entry.bytes, changes);
    } else if (before->second.bytes != entry.bytes) {
      changed(before->second.bytes, entry.bytes, changes);
    }
  }
  return changes;
}

void RecordStore::end_list() {
  known_ = std::exchange(listed_, {});
  if (problems_ != listed_problems_) ++problem_generation_;
  problems_ = std::exchange(listed_problems_, {});
  graves_.clear();
  grave_order_.clear();
}

// ── events ──────────────────────────────────────────────────────────────────────────────────────

void RecordStore::put(records::Outcome object, std::vector<Change>& changes) {
  if (const auto* skipped = std::get_if<records::Skipped>(&object)) {
    // It may have been of use before.
    remove(skipped->name, {}, changes);
    return;
  }
  if (const auto* rejected = std::get_if<records::Rejected>(&object)) {
    const auto name = rejected->key ? rejected->key->name : ObjectName{};
    note_problem(problems_, name, {rejected->error.text()});
    return;
  }
  auto& decoded = std::get<records::Decoded>(object);
  const auto name = name_of(decoded.record);
  const ResourceVersion version{decoded.resource_version};
  if (const auto grave = graves_.find(name);
      grave != graves_.end() && version.is_older_than(grave->second)) {
    return;
  }
  auto& entry = known_[name];
  if (entry.bytes && version.is_older_than(entry.version)) return;
  note_problem(problems_, name, std::move(decoded.remarks));
  entry.version = version;
  auto bytes = std::make_shared<const std::string>(to_bytes(decoded.record));
  if (entry.bytes && *entry.bytes == *bytes) return;
  const auto before = std::exchange(entry.bytes, bytes);
  if (kind_ == records::Kind::endpoints) {
    changed(before, bytes, changes);
  } else {
    changes.emplace_back(std::move(decoded.record));
  }
}

void RecordStore::remove(const ObjectName& name, ResourceVersion version,
                         std::vector<Change>& changes) {
  const auto found = known_.find(name);
  if (found != known_.end() && version.is_older_than(found->second.version)) return;
  bury(name, version);
  note_problem(problems_, name, {});
  if (found == known_.end()) return;
  const auto before = std::move(found->second.bytes);
  known_.erase(found);
  changed(before, nullptr, changes);
}

void RecordStore::bury(const ObjectName& name, ResourceVersion version) {
  if (!graves_.insert_or_assign(name, version).second) return;
  grave_order_.push_back(name);
  if (grave_order_.size() <= kMostGraves) return;
  graves_.erase(grave_order_.front());
  grave_order_.pop_front();
}

void RecordStore::note_problem(Problems& problems, const ObjectName& name,
                               std::vector<std::string> texts) {
  const auto key = name == ObjectName{} ? std::string{kNameless} : name.text();
  if (&problems == &problems_) {
    const auto known = problems_.find(key);
    if (known == problems_.end() ? texts.empty() : known->second == texts) return;
    ++problem_generation_;
  }
  if (key == kNameless) {
    auto& nameless = problems[key];
    if (nameless.size() < kMostNameless) {
      nameless.insert(nameless.end(), texts.begin(), texts.end());
    }
  } else if (texts.empty()) {
    problems.erase(key);
  } else {
    problems.insert_or_assign(key, std::move(texts));
  }
}

// ── what is handed on ───────────────────────────────────────────────────────────────────────────

Record RecordStore::record_in(const RecordBytes& bytes) const {
  auto record = reader_.read(*bytes);
  assert(record && "our own bytes");
  return record ? *std::move(record) : Record{};
}

std::vector<Record> RecordStore::delivered(const RecordBytes& bytes) const {
  std::vector<Record> all;
  if (!bytes) return all;
  auto record = record_in(bytes);
  if (const auto* endpoints = std::get_if<records::Endpoints>(&record)) {
    for (auto& slice : records::mirrored(*endpoints)) all.emplace_back(std::move(slice));
  } else {
    all.push_back(std::move(record));
  }
  return all;
}

// Either may be null, not both. One object may stand for several records.
void RecordStore::changed(const RecordBytes& before, const RecordBytes& now,
                          std::vector<Change>& changes) const {
  auto after = delivered(now);
  for (const auto& record : delivered(before)) {
    const auto key = key_of(record);
    const bool stays = std::ranges::any_of(after, [&](const auto& r) { return key_of(r) == key; });
    if (!stays) changes.emplace_back(Removal{key});
  }
  for (auto& record : after) changes.emplace_back(std::move(record));
}

void RecordStore::append_all(std::vector<Record>& all) const {
  for (const auto& [name, entry] : known_) {
    if (kind_ != records::Kind::endpoints) {
      all.push_back(record_in(entry.bytes));
      continue;
    }
    for (auto& record : delivered(entry.bytes)) all.push_back(std::move(record));
  }
}

std::vector<RecordBytes> RecordStore::all_bytes() const {
  std::vector<RecordBytes> all;
  all.reserve(known_.size());
  for (const auto& [name, entry] : known_) all.push_back(entry.bytes);
  return all;
}

}  // namespace proxy::sources::kubernetes
