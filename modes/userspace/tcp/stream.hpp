// One direction of a relayed connection: bytes from one socket to another.
//
// Small messages are copied through a buffer that all streams of a worker share; a stream that
// fills it goes over to splice(2) through a pipe, and back when its transfers get small again. What
// the reader does not take at once stays with the stream (at most one buffer or one pipe full) and
// nothing more is read until it is gone: the sender's window closes, which is the back-pressure.
#pragma once

#include "modes/userspace/tcp/pipe_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace modes::userspace::tcp {

// A socket of a relay, with what edge-triggered epoll said of it and calls have found out since.
struct End {
  int fd = -1;
  bool readable = false;  // a read may bring something
  bool writable = false;
  bool hung_up = false;  // the peer has ended its sending: a read may bring the end of stream
  bool tells_writable = false;  // epoll is asked to say when it becomes writable
};

// What streams of one worker have in common.
struct Workshop {
  PipePool pipes;
  std::vector<std::byte> buffer;
  bool splices = true;         // false: copies whatever the size
  std::uint64_t received = 0;  // bytes, by all streams
};

class Stream {
 public:
  enum class State : std::uint8_t {
    waiting,      // for one of the ends to become ready
    ready,        // has had its turn, and there is more
    ended,        // the end of stream was passed on, all is done
    from_failed,  // errors that reading or writing found: the connection on that side is gone
    to_failed,
  };

  // Moves what can be moved without waiting, a bounded amount.
  [[nodiscard]] State pump(End& from, End& to, Workshop& shop);

  // Sends these bytes before all others. Requires that nothing was pumped yet.
  void prepend(std::span<const std::byte> bytes);
  [[nodiscard]] bool holds_bytes() const { return held_ != nullptr || pipe_ != nullptr; }
  [[nodiscard]] bool has_ended() const { return ended_; }
  // Gives back what it has borrowed.
  void release(Workshop& shop);

  // Read nothing more: the source has failed, after all that it had was read.
  void end_source() { source_ended_ = true; }
  // Pass the end on by shutdown(2)? If not the caller closes the socket next.
  void leave_open_end() { shuts_ = false; }

 private:
  struct Held {  // behind it, `end` bytes
    std::uint32_t begin;
    std::uint32_t end;
    [[nodiscard]] std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
  };
  struct FreeHeld {
    void operator()(Held* held) const noexcept;
  };
  enum class Step : std::uint8_t { again, wait, from_failed, to_failed };

  void hold(std::span<const std::byte> bytes);
  [[nodiscard]] Step flush_held(End& to);
  [[nodiscard]] Step flush_pipe(End& to);
  [[nodiscard]] Step splice_in(End& from, Workshop& shop);
  [[nodiscard]] Step copy(End& from, End& to, Workshop& shop);

  std::unique_ptr<Held, FreeHeld> held_;
  std::unique_ptr<Pipe> pipe_;
  bool splicing_ = false;
  bool source_ended_ = false;
  bool ended_ = false;
  bool shuts_ = true;
};

}  // namespace modes::userspace::tcp
