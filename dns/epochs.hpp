// Lets one thread replace data that others are reading, without a lock on either side.
//
// Quiescent-state reclamation: a reader says when it begins to use shared data and when it holds
// nothing of it any more (a worker: around each batch of queries). What a writer has unlinked is
// freed once every reader has been outside since. Readers never wait; a reader that sleeps is
// outside and holds nothing up.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace dns {

class Epochs {
 public:
  using Stamp = std::uint64_t;

  // One per reading thread, made before that thread starts and outliving it.
  class Reader {
   public:
    explicit Reader(Epochs& epochs) : epochs_{epochs} {}
    // From here to leave() pointers loaded from Published stay valid. May be nested.
    void enter() {
      if (depth_++ > 0) return;
      // Sequentially consistent, as is the writer's exchange of the pointer: either the writer sees
      // this mark, or the load of the pointer that follows sees what the writer put there.
      inside_since_.store(epochs_.now_.load());
    }
    void leave() {
      if (--depth_ == 0) inside_since_.store(kOutside, std::memory_order_release);
    }

   private:
    friend class Epochs;
    static constexpr Stamp kOutside = UINT64_MAX;
    Epochs& epochs_;
    int depth_ = 0;
    alignas(64) std::atomic<Stamp> inside_since_{kOutside};  // a cache line of its own
  };

  // For the duration of a scope.
  class Inside {
   public:
    explicit Inside(Reader& reader) : reader_{reader} { reader_.enter(); }
    ~Inside() { reader_.leave(); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    Reader& reader_;
  };

  // The writer's thread.
  [[nodiscard]] Reader& add_reader() {
    readers_.push_back(std::make_unique<Reader>(*this));
    return *readers_.back();
  }

  // The writer: called after data was unlinked; the stamp to ask passed() with.
  [[nodiscard]] Stamp retire() { return now_.fetch_add(1) + 1; }

  // True once no reader can still use what was unlinked before `stamp` was drawn.
  [[nodiscard]] bool passed(Stamp stamp) const {
    for (const auto& reader : readers_) {
      if (reader->inside_since_.load() < stamp) return false;
    }
    return true;
  }

 private:
  std::atomic<Stamp> now_{1};
  std::vector<std::unique_ptr<Reader>> readers_;
};

// An immutable value that one writer replaces and many readers look at.
template <class T>
class Published {
 public:
  Published(Epochs& epochs, std::unique_ptr<const T> first)
      : epochs_{epochs}, current_{first.release()} {
    assert(current_.load() != nullptr);
  }
  ~Published() { delete current_.load(); }  // readers are gone by then
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  // Readers, between enter() and leave(); the writer at any time.
  [[nodiscard]] const T& read() const { return *current_.load(); }

  // The writer. Frees earlier versions that nobody can see any more.
  void publish(std::unique_ptr<const T> next) {
    std::unique_ptr<const T> old{current_.exchange(next.release())};
    retired_.emplace_back(epochs_.retire(), std::move(old));
    collect();
  }
  void collect() {
    while (!retired_.empty() && epochs_.passed(retired_.front().first)) retired_.pop_front();
  }

 private:
  Epochs& epochs_;
  std::atomic<const T*> current_;
  std::deque<std::pair<Epochs::Stamp, std::unique_ptr<const T>>> retired_;  // oldest first
};

}  // namespace dns
