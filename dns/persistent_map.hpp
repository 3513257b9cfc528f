// A hash map whose copies share everything that they have in common.
//
// root ──► pages of 64 buckets ──► buckets of a few slots
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
#include <span>
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
    if (pages_.empty()) return;
    for (const Slot& slot : (*pages_[page_index(hash)])[hash % kBuckets].all()) {
      if (slot.hash == hash && !visitor(slot.value)) return;
    }
  }

  // Begin to load what find() will read. Between the two steps the caller does something else, so
  // that several look-ups wait for memory together.
  void prefetch_bucket(std::uint64_t hash) const {
    if (!pages_.empty()) __builtin_prefetch(&(*pages_[page_index(hash)])[hash % kBuckets]);
  }
  void prefetch_slots(std::uint64_t hash) const {
    if (pages_.empty()) return;
    const auto slots = (*pages_[page_index(hash)])[hash % kBuckets].all();
    const auto* bytes = reinterpret_cast<const char*>(slots.data());
    for (std::size_t at = 0; at < slots.size_bytes(); at += 64) __builtin_prefetch(bytes + at);
  }

  template <class Visitor>
  void for_each(const Visitor& visitor) const {
    for (const auto& page : pages_) {
      for (const auto& bucket : *page) {
        for (const auto& slot : bucket.all()) visitor(slot.value);
      }
    }
  }

  // Replaces the value that `matches`, or adds one.
  template <class Matches>
  void put(std::uint64_t hash, Value value, const Matches& matches) {
    if (size_ >= pages_.size() * kBuckets * kMeanBucket) grow();
    auto& bucket = own_page(hash)[hash % kBuckets];
    const std::size_t at = position(bucket, hash, matches);
    if (at == bucket.size) {
      bucket = bucket.with(Slot{hash, std::move(value)});
      ++size_;
    } else {
      bucket = bucket.with(Slot{hash, std::move(value)}, at);
    }
  }

  // Removes the first value that `matches`; false if there is none.
  template <class Matches>
  bool erase(std::uint64_t hash, const Matches& matches) {
    if (find(hash, matches) == nullptr) return false;
    auto& bucket = own_page(hash)[hash % kBuckets];
    bucket = bucket.without(position(bucket, hash, matches));
    --size_;
    return true;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kBuckets = 64;    // of a page
  static constexpr std::size_t kMeanBucket = 3;  // slots of a bucket before the map doubles

  struct Slot {
    std::uint64_t hash;
    Value value;
  };
  // A few slots in one allocation. Never changed once it is made; changes make another.
  struct Bucket {
    std::shared_ptr<Slot[]> slots;
    std::uint32_t size = 0;

    [[nodiscard]] std::span<const Slot> all() const { return {slots.get(), size}; }
    [[nodiscard]] Bucket with(Slot slot) const {
      Bucket more{std::make_shared<Slot[]>(size + 1), size + 1};
      std::copy_n(slots.get(), size, more.slots.get());
      more.slots[size] = std::move(slot);
      return more;
    }
    [[nodiscard]] Bucket with(Slot slot, std::size_t instead_of) const {
      Bucket other{std::make_shared<Slot[]>(size), size};
      std::copy_n(slots.get(), size, other.slots.get());
      other.slots[static_cast<std::ptrdiff_t>(instead_of)] = std::move(slot);
      return other;
    }
    [[nodiscard]] Bucket without(std::size_t at) const {
      if (size == 1) return {};
      Bucket less{std::make_shared<Slot[]>(size - 1), size - 1};
      std::copy_n(slots.get(), at, less.slots.get());
      std::copy(slots.get() + at + 1, slots.get() + size, less.slots.get() + at);
      return less;
    }
  };
  using Page = std::array<Bucket, kBuckets>;

  [[nodiscard]] std::size_t page_index(std::uint64_t hash) const {
    return (hash / kBuckets) & (pages_.size() - 1);
  }

  // Of the slot that matches, or behind the last.
  template <class Matches>
  [[nodiscard]] static std::size_t position(const Bucket& bucket, std::uint64_t hash,
                                            const Matches& matches) {
    const auto slots = bucket.all();
    const auto at = std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) {
      return slot.hash == hash && matches(slot.value);
    });
    return static_cast<std::size_t>(at - slots.begin());
  }

  // The page of `hash`, cloned first if another version shares it. Only the one thread that edits
  // copies these pointers, so a count of one is certain.
  Page& own_page(std::uint64_t hash) {
    auto& page = pages_[page_index(hash)];
    if (page.use_count() != 1) page = std::make_shared<Page>(*page);
    return *page;
  }

  // Twice the pages; versions that are still being read keep theirs.
  void grow() {
    const auto old = std::exchange(pages_, {});
    const std::size_t count = std::max<std::size_t>(1, old.size() * 2);
    for (std::size_t i = 0; i < count; ++i) pages_.push_back(std::make_shared<Page>());
    for (const auto& page : old) {
      for (const auto& bucket : *page) {
        for (const auto& slot : bucket.all()) {
          auto& to = own_page(slot.hash)[slot.hash % kBuckets];
          to = to.with(slot);
        }
      }
    }
  }

  std::vector<std::shared_ptr<Page>> pages_;  // none, or a power of two
  std::size_t size_ = 0;
};

}  // namespace dns
