#include "proxy/sources/manifests/inotify.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace proxy::sources::manifests {
namespace {

constexpr std::uint32_t kMask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB |
                                IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |
                                IN_ONLYDIR;

void add(FolderEvents& events, std::uint32_t mask, const std::string& name) {
  if (mask & IN_Q_OVERFLOW) events.overflow = true;
  if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) events.folder_gone = true;
  if (name.empty()) return;
  if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) events.written.insert(name);
  if (mask & IN_CREATE) events.created.insert(name);
  if (mask & IN_ATTRIB) events.permitted.insert(name);
  if (mask & (IN_MOVED_FROM | IN_DELETE)) events.gone.insert(name);
}

}  // namespace

void FolderEvents::merge(FolderEvents other) {
  written.merge(other.written);
  created.merge(other.created);
  permitted.merge(other.permitted);
  gone.merge(other.gone);
  folder_gone |= other.folder_gone;
  overflow |= other.overflow;
}

FolderEvents parse_events(std::span<const std::byte> buffer, int wd) {
  FolderEvents events;
  while (buffer.size() >= sizeof(inotify_event)) {
    inotify_event event{};  // copied: the buffer need not be aligned
    std::memcpy(&event, buffer.data(), sizeof event);
    buffer = buffer.subspan(sizeof event);
    if (event.len > buffer.size()) break;
    // Padded with NULs.
    const auto* text = reinterpret_cast<const char*>(buffer.data());
    const std::string name(text, ::strnlen(text, event.len));
    buffer = buffer.subspan(event.len);
    // An overflow belongs to no watch.
    if (event.wd == wd || (event.mask & IN_Q_OVERFLOW)) add(events, event.mask, name);
  }
  return events;
}

Result<FolderWatch> FolderWatch::open() {
  UniqueFd fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  if (!fd) return system_error(errno, "inotify_init1");
  return FolderWatch{std::move(fd)};
}

Result<void> FolderWatch::watch(const std::filesystem::path& folder) {
  // The same folder gets the same watch again, which then must not be removed.
  const int wd = ::inotify_add_watch(fd_.get(), folder.c_str(), kMask);
  if (wd < 0) {
    const int error = errno;
    stop();
    return system_error(error, "watch " + folder.string());
  }
  if (wd != wd_) stop();
  wd_ = wd;
  return {};
}

void FolderWatch::stop() {
  // Fails if the folder is gone and the kernel removed the watch already, which is as well.
  if (active()) ::inotify_rm_watch(fd_.get(), wd_);
  wd_ = -1;
}

Result<FolderEvents> FolderWatch::read() {
  FolderEvents events;
  std::array<std::byte, 16384> buffer;
  for (;;) {
    const auto got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0) return system_error(errno, "read inotify events");
    if (got == 0) break;
    events.merge(parse_events(std::span{buffer}.first(static_cast<std::size_t>(got)), wd_));
  }
  // The kernel has removed the watch by itself.
  if (events.folder_gone) stop();
  return events;
}

}  // namespace proxy::sources::manifests
