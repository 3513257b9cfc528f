// What the kernel tells about a folder that is watched (inotify(7)).
#pragma once

#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <cstddef>
#include <filesystem>
#include <set>
#include <span>
#include <string>

namespace proxy::sources::manifests {

// A batch of events, summed up: an order within a batch does not matter to who looks at the files
// afterwards anyway.
struct FolderEvents {
  std::set<std::string> written;    // closed after writing, or moved here
  std::set<std::string> created;    // a link, or a file that is going to be written
  std::set<std::string> permitted;  // owner, mode or times changed
  std::set<std::string> gone;       // deleted or moved away
  bool folder_gone = false;         // deleted, moved, or its file system unmounted
  bool overflow = false;            // the kernel's queue was full; events are missing

  void merge(FolderEvents other);
};

// Events of the watch `wd` in a buffer that was read from an inotify descriptor; those of other
// (former) watches are skipped. A buffer that ends within an event is cut there.
[[nodiscard]] FolderEvents parse_events(std::span<const std::byte> buffer, int wd);

// Watches one folder at a time.
class FolderWatch {
 public:
  // Fails if the kernel is out of inotify instances (EMFILE; fs.inotify.max_user_instances).
  [[nodiscard]] static Result<FolderWatch> open();

  [[nodiscard]] int fd() const { return fd_.get(); }  // readable when there are events
  [[nodiscard]] bool active() const { return wd_ >= 0; }

  // Instead of the folder that was watched before, if there was one.
  [[nodiscard]] Result<void> watch(const std::filesystem::path& folder);
  void stop();

  // All events there are; does not block.
  [[nodiscard]] Result<FolderEvents> read();

 private:
  explicit FolderWatch(UniqueFd fd) : fd_{std::move(fd)} {}

  UniqueFd fd_;
  int wd_ = -1;
};

}  // namespace proxy::sources::manifests
