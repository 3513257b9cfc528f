// The last good records on disk, so that a node that starts while the API server is away forwards
// from what was known last.
//
// Layout, numbers little-endian: the eight bytes "viaduct\n"; u32 version of this layout; u32
// version of the records' bytes; u64 length and u64 XXH64 of what follows: origin, time, and each
// record's bytes with a u32 length before them. Written beside the old file, synced, and moved into
// its place: there is always a whole one.
#pragma once

#include "proxy/records/objects.hpp"
#include "proxy/result.hpp"
#include "proxy/sources/kubernetes/record_store.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace proxy::sources::kubernetes {

// Which records they are, whatever they say.
struct StateOrigin {
  std::vector<std::string> servers;  // of the cluster; one in common makes it the same
  std::chrono::system_clock::time_point saved;

  friend bool operator==(const StateOrigin&, const StateOrigin&) = default;
};

struct StoredState {
  StateOrigin origin;
  std::vector<records::Record> records;  // as the API server had them
};

// Blocks until the disk has them. Makes the folder if it is not there. Fails with the errno of what
// did; the old file is still there then, and nothing else.
[[nodiscard]] Result<void> write_state(const std::filesystem::path& path, const StateOrigin& origin,
                                       const std::vector<RecordBytes>& records);

// Fails with ENOENT if there is none, and for a file that is not whole, was changed, or is of
// another version.
[[nodiscard]] Result<StoredState> read_state(const std::filesystem::path& path,
                                             records::BinaryReader& reader);

// Pure: what is in the file.
[[nodiscard]] Result<StoredState> parse_state(std::string_view bytes,
                                              records::BinaryReader& reader);

}  // namespace proxy::sources::kubernetes
