#include "proxy/host/file_watch.hpp"

#include <sys/inotify.h>

#include <cerrno>

namespace proxy::host {

Result<UniqueFd> watch_file(const std::string& path) {
  UniqueFd fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  if (!fd || ::inotify_add_watch(fd.get(), path.c_str(), IN_MODIFY | IN_MOVE_SELF) < 0) {
    return system_error(errno, "watch " + path);
  }
  return fd;
}

}  // namespace proxy::host
