#include "proxy/sources/kubernetes/state_keeper.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <utility>

namespace proxy::sources::kubernetes {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// A write may take this part of the time at most: a slow disk is not kept busy.
constexpr int kRest = 20;
// After a write that failed (a full disk), at least.
constexpr std::chrono::seconds kAfterFailure{30};

}  // namespace

struct StateKeeper::Impl : std::enable_shared_from_this<Impl> {
  Parts parts;
  asio::steady_timer timer;
  asio::thread_pool thread{1};
  bool dirty = false;
  bool writing = false;
  bool stopped = false;
  Clock::time_point next{};  // no write begins before

  explicit Impl(Parts chosen) : parts{std::move(chosen)}, timer{parts.executor} {}

  void changed() {
    dirty = true;
    if (writing || stopped) return;
    timer.expires_at(std::max(next, Clock::now()));
    timer.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
      const auto self = weak.lock();
      if (self && !cancelled && !self->stopped && !self->writing) self->write();
    });
  }

  [[nodiscard]] StateOrigin origin() const {
    return {.servers = parts.servers, .saved = std::chrono::system_clock::now()};
  }

  void write() {
    dirty = false;
    writing = true;
    asio::post(thread, [weak = weak_from_this(), executor = parts.executor, path = parts.path,
                        where = origin(), records = parts.records()]() mutable {
      const auto began = Clock::now();
      auto done = write_state(path, where, records);
      const auto took = Clock::now() - began;
      records = {};
      asio::post(executor, [weak, took, done = std::move(done)] {
        if (const auto self = weak.lock()) self->finished(took, done);
      });
    });
  }

  void finished(Duration took, const Result<void>& done) {
    writing = false;
    if (stopped) return;
    auto rest = std::max(parts.interval, took * kRest);
    if (!done)
      rest = std::max<Duration>(rest, std::min<Duration>(kAfterFailure, parts.interval * 3));
    next = Clock::now() + rest;
    parts.written(done);
    if (dirty || !done) changed();
  }
};

StateKeeper::StateKeeper(Parts parts) : impl_{std::make_shared<Impl>(std::move(parts))} {}

StateKeeper::~StateKeeper() {
  impl_->stopped = true;
  impl_->thread.join();
}

void StateKeeper::changed() {
  impl_->changed();
}

void StateKeeper::stop() {
  if (std::exchange(impl_->stopped, true)) return;
  impl_->timer.cancel();
  if (impl_->dirty) impl_->write();
}

}  // namespace proxy::sources::kubernetes
