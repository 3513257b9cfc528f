// Gzip (RFC 1952), undone piece by piece as the bytes arrive.
#pragma once

#include "proxy/result.hpp"

#include <functional>
#include <memory>
#include <string_view>

namespace proxy::sources::kubernetes {

class Gunzip {
 public:
  Gunzip();
  ~Gunzip();
  Gunzip(Gunzip&&) noexcept;
  Gunzip& operator=(Gunzip&&) noexcept;

  // Calls `receive` with all that `bytes` make known, in pieces of at most 64 kB. Fails for what is
  // no gzip.
  [[nodiscard]] Result<void> feed(std::string_view bytes,
                                  const std::function<Result<void>(std::string_view)>& receive);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace proxy::sources::kubernetes
