#include "dns/forward/cache.hpp"

#include "dns/hash.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace dns::forward {

std::size_t Cache::Entry::bytes() const {
  return sizeof(Entry) + answer.message.capacity() +
         answer.records.capacity() * sizeof(StoredAnswer::Record);
}

bool Cache::Entry::is_for(const Question& question) const {
  const auto wanted = question.name.wire();
  return type == question.type && dnssec_ok == question.dnssec_ok &&
         checking_disabled == question.checking_disabled && name_size == wanted.size() &&
         std::memcmp(name().data(), wanted.data(), name_size) == 0;
}

Cache::Cache(Epochs& epochs, Limits limits, std::uint64_t seed)
    : epochs_{epochs},
      limits_{limits},
      seed_{seed},
      chain_count_{std::bit_ceil(std::max<std::size_t>(limits.entries, 2))},
      chains_{new std::atomic<Entry*>[chain_count_] {}} {}

Cache::~Cache() {
  for (auto* entry : slots_) delete entry;
}

std::uint64_t Cache::hash(const Question& question) const {
  const auto flags = static_cast<std::uint64_t>(question.dnssec_ok ? 1 : 0) |
                     static_cast<std::uint64_t>(question.checking_disabled ? 2 : 0);
  return hash_bytes(question.name.wire(),
                    seed_ ^ (static_cast<std::uint64_t>(question.type) << 2 | flags));
}

const Cache::Entry* Cache::find(const Question& question) const {
  const auto wanted = hash(question);
  for (const Entry* entry = chain(wanted).load(std::memory_order_acquire); entry != nullptr;
       entry = entry->next.load(std::memory_order_acquire)) {
    if (entry->hash == wanted && entry->is_for(question)) return entry;
  }
  return nullptr;
}

void Cache::put(const Question& question, StoredAnswer answer, Time now, Time fresh_until,
                Time stale_until) {
  auto* old = const_cast<Entry*>(find(question));  // the writer owns all entries
  auto entry = std::make_unique<Entry>();
  entry->hash = hash(question);
  entry->type = question.type;
  entry->dnssec_ok = question.dnssec_ok;
  entry->checking_disabled = question.checking_disabled;
  entry->name_size = static_cast<std::uint8_t>(question.name.size());
  entry->answer = std::move(answer);
  entry->answer.records.shrink_to_fit();
  entry->answer.message.shrink_to_fit();
  entry->stored_at = now;
  entry->fresh_until = fresh_until;
  entry->stale_until = stale_until;
  if (old != nullptr) {
    // Fame outlives a refresh, or what is asked for all the time would be refreshed only sometimes.
    entry->hits.store(old->hits.load(std::memory_order_relaxed) / 2, std::memory_order_relaxed);
    remove(old);
  }
  make_room();
  entry->slot = slots_.size();
  bytes_.fetch_add(entry->bytes(), std::memory_order_relaxed);
  entries_.fetch_add(1, std::memory_order_relaxed);
  auto& head = chain(entry->hash);
  entry->next.store(head.load(std::memory_order_relaxed), std::memory_order_relaxed);
  slots_.push_back(entry.get());
  head.store(entry.release(), std::memory_order_release);
  collect();
}

void Cache::remove(Entry* entry) {
  auto* link = &chain(entry->hash);
  while (link->load(std::memory_order_relaxed) != entry) {
    link = &link->load(std::memory_order_relaxed)->next;
  }
  // A reader that stands on the entry finds the way on through its `next`, which stays.
  link->store(entry->next.load(std::memory_order_relaxed), std::memory_order_seq_cst);
  slots_[entry->slot] = slots_.back();
  slots_[entry->slot]->slot = entry->slot;
  slots_.pop_back();
  bytes_.fetch_sub(entry->bytes(), std::memory_order_relaxed);
  entries_.fetch_sub(1, std::memory_order_relaxed);
  retired_.emplace_back(epochs_.retire(), std::unique_ptr<Entry>{entry});
}

void Cache::make_room() {
  while (!slots_.empty() && (slots_.size() >= limits_.entries || bytes() >= limits_.bytes)) {
    if (hand_ >= slots_.size()) hand_ = 0;
    auto* entry = slots_[hand_];
    if (entry->used.exchange(false, std::memory_order_relaxed)) {
      ++hand_;
      continue;
    }
    remove(entry);
    evictions_.fetch_add(1, std::memory_order_relaxed);
  }
}

void Cache::collect() {
  while (!retired_.empty() && epochs_.passed(retired_.front().first)) retired_.pop_front();
}

}  // namespace dns::forward
