// A hash map whose copies share everything that they have in common.
//
// root ──► pages of 64 buckets ──► buckets of a few slots, sorted by hash
//
// Copying shares; a change to a copy clones one bucket, one page and the row of page pointers,
// whatever the size of the map. A version that is given to readers is never changed again, so they
// need no lock (see epochs.hpp for when it may be freed). Keys are the caller's: look-ups are by a
// 64-bit hash and a predicate, several slots may carry one hash.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace dns {

template <class Value>
class PersistentMap {
 public:
  // The first value with this hash that `matches`, or null.
  template <class Matches>
  [[nodiscard]] const Value* find(std::uint64_t hash, const Matches& matches) const {
    const Value* found = nullptr;
    visit(hash, [&](const Value& value) {
      if (!matches(value)) return true;
      found = &value;
      return false;
    });
    return found;
  }

  // Calls `visitor` for the values with this hash until it returns false.
  template <class Visitor>
  void visit(std::uint64_t hash, const Visitor& visitor) const {
    const Bucket* bucket = bucket_of(hash);
    if (bucket == nullptr) return;
    auto at = std::lower_bound(bucket->begin(), bucket->end(), hash, before);
    for (; at != bucket->end() && at->hash == hash; ++at) {
      if (!visitor(at->value)) return;
    }
  }

  template <class Visitor>
  void for_each(const Visitor& visitor) const {
    for (const auto& page : pages_) {
      for (const auto& bucket : *page) {
        if (!bucket) continue;
        for (const auto& slot : *bucket) visitor(slot.value);
      }
    }
  }

  // Replaces the value that `matches`, or adds one.
  template <class Matches>
  void put(std::uint64_t hash, Value value, const Matches& matches) {
    if (size_ >= pages_.size() * kBuckets * kMeanBucket) grow();
    Bucket& bucket = own_bucket(hash);
    auto at = std::lower_bound(bucket.begin(), bucket.end(), hash, before);
    for (; at != bucket.end() && at->hash == hash; ++at) {
      if (matches(std::as_const(at->value))) {
        at->value = std::move(value);
        return;
      }
    }
    bucket.insert(at, Slot{hash, std::move(value)});
    ++size_;
  }

  // Removes the first value that `matches`; false if there is none.
  template <class Matches>
  bool erase(std::uint64_t hash, const Matches& matches) {
    if (find(hash, matches) == nullptr) return false;
    Bucket& bucket = own_bucket(hash);
    auto at = std::lower_bound(bucket.begin(), bucket.end(), hash, before);
    while (!matches(std::as_const(at->value))) ++at;
    bucket.erase(at);
    --size_;
    return true;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kBuckets = 64;    // of a page
  static constexpr std::size_t kMeanBucket = 6;  // slots of a bucket before the map doubles

  struct Slot {
    std::uint64_t hash;
    Value value;
  };
  using Bucket = std::vector<Slot>;
  using Page = std::array<std::shared_ptr<Bucket>, kBuckets>;

  static bool before(const Slot& slot, std::uint64_t hash) { return slot.hash < hash; }
  // The top bits order the slots of a bucket, so page and bucket come from the lower ones.
  [[nodiscard]] std::size_t page_index(std::uint64_t hash) const {
    return (hash / kBuckets) & (pages_.size() - 1);
  }

  [[nodiscard]] const Bucket* bucket_of(std::uint64_t hash) const {
    if (pages_.empty()) return nullptr;
    return (*pages_[page_index(hash)])[hash % kBuckets].get();
  }

  // The bucket of `hash`, cloned first if another version shares it. Only the one thread that edits
  // copies these pointers, so a count of one is certain.
  Bucket& own_bucket(std::uint64_t hash) {
    auto& page = pages_[page_index(hash)];
    if (page.use_count() != 1) page = std::make_shared<Page>(*page);
    auto& bucket = (*page)[hash % kBuckets];
    if (!bucket) {
      bucket = std::make_shared<Bucket>();
    } else if (bucket.use_count() != 1) {
      bucket = std::make_shared<Bucket>(*bucket);
    }
    return *bucket;
  }

  // Twice the pages; versions that are still being read keep theirs.
  void grow() {
    const auto old = std::exchange(pages_, {});
    const std::size_t count = std::max<std::size_t>(1, old.size() * 2);
    for (std::size_t i = 0; i < count; ++i) pages_.push_back(std::make_shared<Page>());
    for (const auto& page : old) {
      for (const auto& bucket : *page) {
        if (!bucket) continue;
        for (const auto& slot : *bucket) {  // in order of hash, so buckets stay sorted
          own_bucket(slot.hash).push_back(slot);
        }
      }
    }
  }

  std::vector<std::shared_ptr<Page>> pages_;  // none, or a power of two
  std::size_t size_ = 0;
};

}  // namespace dns
