#include "modes/userspace/tcp/stream.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace modes::userspace::tcp {
namespace {

// Transfers below this are cheaper to copy than to lead through a pipe.
constexpr std::size_t kWorthSplicing = 16 * 1024;
// After so many steps others have their turn.
constexpr int kStepsPerTurn = 16;

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

void Stream::FreeHeld::operator()(Held* held) const noexcept {
  std::free(held);
}

void Stream::hold(std::span<const std::byte> bytes) {
  // One allocation of exactly what has to wait.
  auto* memory = std::malloc(sizeof(Held) + bytes.size());
  if (memory == nullptr) throw std::bad_alloc{};
  held_.reset(new (memory) Held{0, static_cast<std::uint32_t>(bytes.size())});
  std::memcpy(held_->bytes(), bytes.data(), bytes.size());
}

void Stream::prepend(std::span<const std::byte> bytes) {
  hold(bytes);
}

void Stream::release(Workshop& shop) {
  if (pipe_) shop.pipes.give_back(std::move(pipe_));
  held_.reset();
}

Stream::Step Stream::flush_held(End& to) {
  const auto sent = ::send(to.fd, held_->bytes() + held_->begin, held_->end - held_->begin,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) {
    if (!would_block()) return Step::to_failed;
    to.writable = false;
    return Step::wait;
  }
  held_->begin += static_cast<std::uint32_t>(sent);
  if (held_->begin == held_->end) held_.reset();
  return Step::again;
}

Stream::Step Stream::flush_pipe(End& to) {
  const auto sent = ::splice(pipe_->out.get(), nullptr, to.fd, nullptr, pipe_->filled,
                             SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (sent < 0) {
    if (!would_block()) return Step::to_failed;
    to.writable = false;
    return Step::wait;
  }
  pipe_->filled -= static_cast<std::size_t>(sent);
  return Step::again;
}

// The pipe is empty here, so that EAGAIN means that there is nothing to read.
Stream::Step Stream::splice_in(End& from, Workshop& shop) {
  if (!pipe_) pipe_ = shop.pipes.take();
  if (!pipe_) {
    splicing_ = false;
    return Step::again;
  }
  const auto got = ::splice(from.fd, nullptr, pipe_->in.get(), nullptr, pipe_->capacity,
                            SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got > 0) {
    pipe_->filled = static_cast<std::size_t>(got);
    shop.received += pipe_->filled;
    if (pipe_->filled < kWorthSplicing) splicing_ = false;
    return Step::again;
  }
  shop.pipes.give_back(std::move(pipe_));
  if (got == 0) {
    source_ended_ = true;
    return Step::again;
  }
  if (!would_block()) return Step::from_failed;
  from.readable = false;
  return Step::wait;
}

Stream::Step Stream::copy(End& from, End& to, Workshop& shop) {
  const auto got = ::recv(from.fd, shop.buffer.data(), shop.buffer.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (!would_block()) return Step::from_failed;
    from.readable = false;
    return Step::wait;
  }
  if (got == 0) {
    source_ended_ = true;
    return Step::again;
  }
  const auto size = static_cast<std::size_t>(got);
  shop.received += size;
  // Less than was asked for means that there is no more, but for an end of stream.
  if (size < shop.buffer.size() && !from.hung_up) from.readable = false;
  if (size == shop.buffer.size()) splicing_ = shop.splices;

  auto sent = ::send(to.fd, shop.buffer.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) {
    if (!would_block()) return Step::to_failed;
    sent = 0;
  }
  if (static_cast<std::size_t>(sent) < size) {
    hold(std::span{shop.buffer}.first(size).subspan(static_cast<std::size_t>(sent)));
    to.writable = false;
    return Step::wait;
  }
  return Step::again;
}

Stream::State Stream::pump(End& from, End& to, Workshop& shop) {
  if (ended_) return State::ended;
  for (int steps = 0; steps < kStepsPerTurn; ++steps) {
    auto step = Step::wait;
    const bool must_flush = held_ != nullptr || (pipe_ && pipe_->filled > 0);
    if (must_flush) {
      if (!to.writable) return State::waiting;
      step = held_ ? flush_held(to) : flush_pipe(to);
    } else if (source_ended_) {
      if (pipe_) shop.pipes.give_back(std::move(pipe_));
      if (shuts_) (void)::shutdown(to.fd, SHUT_WR);
      ended_ = true;
      return State::ended;
    } else if (from.readable && to.writable) {
      step = splicing_ ? splice_in(from, shop) : copy(from, to, shop);
    } else {
      if (pipe_) shop.pipes.give_back(std::move(pipe_));
      return State::waiting;
    }
    if (step == Step::wait) {
      if (pipe_ && pipe_->filled == 0) shop.pipes.give_back(std::move(pipe_));
      return State::waiting;
    }
    if (step == Step::from_failed) return State::from_failed;
    if (step == Step::to_failed) return State::to_failed;
  }
  return State::ready;
}

}  // namespace modes::userspace::tcp
