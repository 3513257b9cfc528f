// Pipes for splice(2), lent to streams while they move bulk data.
//
// A stream needs one only from splicing in to splicing out, which usually is one turn of the loop:
// a worker with thousands of busy streams has use for a few. Only where a reader is slow does the
// pipe stay with the stream, holding at most its capacity.
#pragma once

#include "proxy/unique_fd.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace modes::userspace::tcp {

struct Pipe {
  proxy::UniqueFd in;   // write end
  proxy::UniqueFd out;  // read end
  std::size_t filled = 0;
  std::size_t capacity = 0;
};

class PipePool {
 public:
  // At most `limit` pipes are lent and kept; each of `capacity` bytes if the kernel allows
  // (fs.pipe-max-size, fs.pipe-user-pages-soft).
  PipePool(std::size_t limit, std::size_t capacity) : limit_{limit}, capacity_{capacity} {}

  // Null when there are no more: copy instead.
  [[nodiscard]] std::unique_ptr<Pipe> take();
  // Back for others; one that is not empty is closed.
  void give_back(std::unique_ptr<Pipe> pipe);

  [[nodiscard]] std::size_t lent() const { return made_ - spare_.size(); }
  [[nodiscard]] std::size_t limit() const { return limit_; }

 private:
  std::size_t limit_;
  std::size_t capacity_;
  std::size_t made_ = 0;
  std::vector<std::unique_ptr<Pipe>> spare_;
};

}  // namespace modes::userspace::tcp
