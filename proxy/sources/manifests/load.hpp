// Manifests read once, for commands that look and leave (viaduct check).
#pragma once

#include "proxy/result.hpp"
#include "proxy/sources/source.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace proxy::sources::manifests {

struct Loaded {
  std::vector<records::Record> records;  // each key once, derived slices included
  std::vector<Problem> problems;
  std::vector<std::string> skipped;  // objects of kinds that are not ours, "file: kind name"
};

// `path` is a folder, a file, or "-" for standard input. Fails if it is not there or can't be read;
// mistakes in what it holds are problems. Blocks until all is read.
[[nodiscard]] Result<Loaded> load(const std::filesystem::path& path);

}  // namespace proxy::sources::manifests
