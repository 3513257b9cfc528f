#include "proxy/sources/manifests/disk.hpp"

#include "proxy/unique_fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

namespace proxy::sources::manifests {
namespace {

Signature signature_of(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

FileType type_of(const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return FileType::folder;
  return S_ISREG(status.st_mode) ? FileType::regular : FileType::other;
}

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

}  // namespace

bool is_manifest_name(std::string_view name) {
  return !name.starts_with('.') &&
         (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

Result<FileStatus> status_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    return FileStatus{.type = type_of(status), .signature = signature_of(status)};
  }
  if (errno == ENOENT || errno == ENOTDIR) return FileStatus{};
  return system_error(errno, "look at " + path.string());
}

Result<std::map<std::string, Signature>> list_manifests(const std::filesystem::path& folder) {
  const std::unique_ptr<DIR, CloseFolder> open{::opendir(folder.c_str())};
  if (!open) return system_error(errno, "list " + folder.string());
  std::map<std::string, Signature> found;
  for (;;) {
    errno = 0;
    const auto* entry = ::readdir(open.get());
    if (entry == nullptr) {
      if (errno != 0) return system_error(errno, "list " + folder.string());
      return found;
    }
    if (!is_manifest_name(entry->d_name)) continue;
    struct stat status {};
    // One that can't be looked at is listed; reading it will say why not.
    if (::fstatat(::dirfd(open.get()), entry->d_name, &status, 0) != 0 && errno == ENOENT) continue;
    if (S_ISDIR(status.st_mode)) continue;
    found.emplace(entry->d_name, signature_of(status));
  }
}

Result<std::string> read_all(int fd, std::string_view name, std::uint64_t size) {
  std::string text;
  text.reserve(std::min(size, kLargestFile));
  std::array<char, std::size_t{1} << 16> buffer;
  for (;;) {
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, "read " + std::string{name});
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kLargestFile) return system_error(EFBIG, "read " + std::string{name});
  }
}

Result<std::string> read_file(const std::filesystem::path& path) {
  // Not to wait for a writer if it is a FIFO.
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return system_error(errno, "open " + path.string());
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "look at " + path.string());
  if (!S_ISREG(status.st_mode)) return invalid(path.string() + " is not a regular file");
  return read_all(fd.get(), path.string(), static_cast<std::uint64_t>(status.st_size));
}

}  // namespace proxy::sources::manifests
