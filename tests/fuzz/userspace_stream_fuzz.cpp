// Whatever order senders, readers and the worker's turns come in, and however few pipes there are:
// the bytes that arrive are those that were sent, in their order, and the end comes after the last.
#include "modes/userspace/tcp/stream.hpp"
#include "proxy/unique_fd.hpp"

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

using namespace modes::userspace::tcp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

constexpr std::size_t kSharedBuffer = 512;  // a read that fills it makes a stream splice
constexpr std::size_t kPipe = 64 * 1024;

std::byte byte_at(std::uint64_t position) {
  return static_cast<std::byte>(position * 131 + (position >> 8U));
}

struct SocketPair {
  SocketPair() {
    std::array<int, 2> fds{};
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()) == 0);
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
  }
  proxy::UniqueFd ours;
  proxy::UniqueFd theirs;
};

// One direction of a connection, with who sends at the one end and who reads at the other.
class Direction {
 public:
  explicit Direction(Workshop& shop) : shop_{shop} {}

  void prepend(std::size_t size) {
    if (pumped_ || size == 0 || sent_ > 0) return;
    stream_.prepend(next_bytes(size));
    sent_ += size;
  }

  void send(std::size_t size) {
    if (shut_ || size == 0) return;
    const auto bytes = next_bytes(size);
    const auto taken = ::send(sender_.theirs.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (taken > 0) sent_ += static_cast<std::uint64_t>(taken);
    from_.readable = true;
  }

  void shut() {
    shut_ = true;
    require(::shutdown(sender_.theirs.get(), SHUT_WR) == 0);
    from_.readable = from_.hung_up = true;
  }

  void read(std::size_t size) {
    std::vector<std::byte> bytes(size);
    const auto got = ::recv(reader_.theirs.get(), bytes.data(), bytes.size(), 0);
    to_.writable = true;
    if (got == 0 && size > 0) {
      require(shut_ && received_ == sent_);
      ended_ = true;
    }
    for (ssize_t i = 0; i < got; ++i) {
      require(bytes[static_cast<std::size_t>(i)] == byte_at(received_++));
    }
    require(received_ <= sent_);
  }

  void pump() {
    pumped_ = true;
    const auto state = stream_.pump(from_, to_, shop_);
    require(state != Stream::State::from_failed && state != Stream::State::to_failed);
  }

  // Enough turns for all of it: none may be lost or held back.
  void finish() {
    if (!shut_) shut();
    for (int turn = 0; turn < 100'000 && !ended_; ++turn) {
      pump();
      read(kPipe);
    }
    require(ended_ && stream_.has_ended() && !stream_.holds_bytes());
    stream_.release(shop_);
  }

 private:
  [[nodiscard]] std::vector<std::byte> next_bytes(std::size_t size) const {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = byte_at(sent_ + i);
    return bytes;
  }

  Workshop& shop_;
  SocketPair sender_;
  SocketPair reader_;
  End from_{.fd = sender_.ours.get()};
  End to_{.fd = reader_.ours.get(), .writable = true};
  Stream stream_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  bool pumped_ = false;
  bool shut_ = false;
  bool ended_ = false;
};

}  // namespace

// A first byte says how many pipes there are and whether to splice at all; then pairs of what to do
// and how much.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 256) return -1;
  Workshop shop{PipePool{data[0] % 3U, kPipe}, std::vector<std::byte>(kSharedBuffer),
                (data[0] & 0x80U) == 0};
  {
    // Two streams that need the same pipes.
    std::array<Direction, 2> directions{Direction{shop}, Direction{shop}};
    for (const auto* at = data + 1; at + 1 < data + size; at += 2) {
      auto& direction = directions.at(*at >> 7U);
      const std::size_t amount = std::size_t{at[1]} * at[1];  // up to 65,025
      switch (*at % 5U) {
        case 0:
          direction.send(amount);
          break;
        case 1:
          direction.read(amount);
          break;
        case 2:
          direction.pump();
          break;
        case 3:
          direction.prepend(amount);
          break;
        case 4:
          if (at[1] == 0xFF) direction.shut();
          break;
      }
    }
    for (auto& direction : directions) direction.finish();
  }
  require(shop.pipes.lent() == 0);
  return 0;
}
