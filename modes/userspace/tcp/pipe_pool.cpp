#include "modes/userspace/tcp/pipe_pool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace modes::userspace::tcp {

std::unique_ptr<Pipe> PipePool::take() {
  if (!spare_.empty()) {
    auto pipe = std::move(spare_.back());
    spare_.pop_back();
    return pipe;
  }
  if (made_ >= limit_) return nullptr;
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return nullptr;
  auto pipe = std::make_unique<Pipe>();
  pipe->out.reset(ends[0]);
  pipe->in.reset(ends[1]);
  // A user has 64 MiB of pipes in all by default; when they are used up, small ones do.
  for (auto size = capacity_; size > 64 * 1024; size /= 2) {
    if (::fcntl(pipe->in.get(), F_SETPIPE_SZ, static_cast<int>(size)) >= 0) break;
  }
  const int size = ::fcntl(pipe->in.get(), F_GETPIPE_SZ);
  // Less than this is worse than copying.
  if (size < 32 * 1024) return nullptr;
  pipe->capacity = static_cast<std::size_t>(size);
  ++made_;
  return pipe;
}

void PipePool::give_back(std::unique_ptr<Pipe> pipe) {
  if (pipe->filled == 0) {
    spare_.push_back(std::move(pipe));
  } else {
    --made_;
  }
}

}  // namespace modes::userspace::tcp
