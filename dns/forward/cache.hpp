// Upstreams' answers, kept in bounded memory: one thread writes, all workers read without a lock.
//
// A hash table of chains whose links are atomic. What the writer unlinks is freed when no reader
// can be looking at it any more (epochs.hpp). When full, entries that nobody has used lately go
// first (CLOCK).
#pragma once

#include "dns/epochs.hpp"
#include "dns/forward/stored_answer.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace dns::forward {

// What makes two questions the same; the name belongs to the caller. An answer to a validating
// client differs from others.
struct Question {
  const LowerName& name;
  Type type{};
  bool dnssec_ok = false;
  bool checking_disabled = false;
};

// Steady clock, nanoseconds.
using Time = std::int64_t;
inline constexpr Time kSecond = 1'000'000'000;

class Cache {
 public:
  // Readers may change what is marked so; everything else is fixed once the entry is visible.
  struct Entry {
    std::uint64_t hash = 0;
    Type type{};
    bool dnssec_ok = false;
    bool checking_disabled = false;
    std::uint8_t name_size = 0;
    StoredAnswer answer;  // its question is the lower-cased name
    Time stored_at = 0;
    Time fresh_until = 0;
    Time stale_until = 0;
    mutable std::atomic<bool> used{false};        // since the clock's hand last passed
    mutable std::atomic<std::uint32_t> hits{0};   // since it was stored; stops growing at 2^32-1
    mutable std::atomic<bool> refreshing{false};  // somebody asks upstream already

    [[nodiscard]] std::uint32_t age(Time now) const {  // seconds
      return static_cast<std::uint32_t>((now - stored_at) / kSecond);
    }
    [[nodiscard]] std::size_t bytes() const;
    [[nodiscard]] Bytes name() const {
      return Bytes{answer.message}.subspan(header::kSize, name_size);
    }
    [[nodiscard]] bool is_for(const Question& question) const;

   private:
    friend class Cache;
    std::atomic<Entry*> next{nullptr};
    std::size_t slot = 0;  // in slots_
  };

  struct Limits {
    std::size_t entries = 10'000;
    std::size_t bytes = 4 << 20;
  };
  Cache(Epochs& epochs, Limits limits, std::uint64_t seed);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // Any thread inside its epoch. Also entries past their time are found.
  [[nodiscard]] const Entry* find(const Question& question) const;

  // ── the writer's thread ──
  // Puts an entry in place of the one for the same question, if there is one. `answer` is to this
  // question, its name lower-cased as in `question`.
  void put(const Question& question, StoredAnswer answer, Time now, Time fresh_until,
           Time stale_until);
  void collect();  // frees what can be freed

  // Figures; from any thread.
  [[nodiscard]] std::size_t entries() const { return entries_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t evictions() const {
    return evictions_.load(std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] std::uint64_t hash(const Question& question) const;
  [[nodiscard]] std::atomic<Entry*>& chain(std::uint64_t hash) const {
    return chains_[hash & (chain_count_ - 1)];
  }
  void remove(Entry* entry);
  void make_room();

  Epochs& epochs_;
  Limits limits_;
  std::uint64_t seed_;
  std::size_t chain_count_;
  std::unique_ptr<std::atomic<Entry*>[]> chains_;
  std::vector<Entry*> slots_;  // what the clock's hand goes over; no gaps
  std::size_t hand_ = 0;
  std::deque<std::pair<Epochs::Stamp, std::unique_ptr<Entry>>> retired_;
  std::atomic<std::size_t> entries_{0};
  std::atomic<std::size_t> bytes_{0};
  std::atomic<std::uint64_t> evictions_{0};
};

}  // namespace dns::forward
