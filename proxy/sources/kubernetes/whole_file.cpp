#include "proxy/sources/kubernetes/whole_file.hpp"

#include "proxy/unique_fd.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>

namespace proxy::sources::kubernetes {

Result<std::string> whole_file(const std::string& path, std::size_t largest) {
  // Non-blocking: a FIFO in the place of a file must not stop the program.
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file) return system_error(errno, "read " + path);
  std::string text;
  std::array<char, 65536> chunk;
  while (true) {
    const auto got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, "read " + path);
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > largest) return system_error(EFBIG, "read " + path);
  }
}

}  // namespace proxy::sources::kubernetes
