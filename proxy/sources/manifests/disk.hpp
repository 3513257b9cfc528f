// The file system as manifests need it: list, stat and read, each error with the path in it.
#pragma once

#include "proxy/result.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace proxy::sources::manifests {

// Is `name`, without folder, that of a manifest: *.yaml, *.yml or *.json, not hidden?
[[nodiscard]] bool is_manifest_name(std::string_view name);

// Which file it is and which state it is in, as far as stat(2) can tell: two writes within one tick
// of the kernel's clock that leave the same size look alike.
struct Signature {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified = 0;  // nanoseconds since the epoch

  friend bool operator==(const Signature&, const Signature&) = default;
};

enum class FileType : std::uint8_t { absent, folder, regular, other };
struct FileStatus {
  FileType type = FileType::absent;
  Signature signature;
};

// Follows symbolic links; one that leads nowhere is absent.
[[nodiscard]] Result<FileStatus> status_of(const std::filesystem::path& path);

// The names of the manifests in a folder, not of those in folders within it; what is a folder or
// leads nowhere is left out.
[[nodiscard]] Result<std::map<std::string, Signature>> list_manifests(
    const std::filesystem::path& folder);

inline constexpr std::uint64_t kLargestFile = std::uint64_t{512} << 20;  // bytes

// Fails with EFBIG beyond kLargestFile, with EINVAL for what is no regular file.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path);

// To the end. Blocks if the descriptor does. `size`: bytes to expect, for one allocation.
[[nodiscard]] Result<std::string> read_all(int fd, std::string_view name, std::uint64_t size = 0);

}  // namespace proxy::sources::manifests
