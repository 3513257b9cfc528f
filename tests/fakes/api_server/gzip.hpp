// Gzip piece by piece: each piece can be undone as soon as it is there.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace fakes {

class GzipStream {
 public:
  GzipStream();
  ~GzipStream();
  GzipStream(GzipStream&&) noexcept;
  GzipStream& operator=(GzipStream&&) noexcept;

  [[nodiscard]] std::string add(std::string_view text);
  [[nodiscard]] std::string finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fakes
