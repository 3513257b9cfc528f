#include "proxy/sources/manifests/load.hpp"

#include "proxy/sources/manifests/disk.hpp"
#include "proxy/sources/manifests/manifests.hpp"

#include <unistd.h>

#include <cerrno>

namespace proxy::sources::manifests {
namespace {

Loaded loaded(Manifests& manifests, const std::string& folder) {
  auto records = manifests.take_first();
  return {.records = std::move(records),
          .problems = manifests.problems(folder),
          .skipped = manifests.skipped()};
}

}  // namespace

Result<Loaded> load(const std::filesystem::path& path) {
  Manifests manifests;
  if (path == "-") {
    const auto text = read_all(STDIN_FILENO, "standard input");
    if (!text) return text.error();
    manifests.update("standard input", *text);
    return loaded(manifests, "");
  }
  const auto status = status_of(path);
  if (!status) return status.error();
  if (status->type == FileType::absent) return system_error(ENOENT, "open " + path.string());
  if (status->type != FileType::folder) {
    const auto text = read_file(path);
    if (!text) return text.error();
    manifests.update(path.string(), *text);
    return loaded(manifests, "");
  }
  const auto files = list_manifests(path);
  if (!files) return files.error();
  for (const auto& [name, signature] : *files) {
    const auto text = read_file(path / name);
    if (text) {
      manifests.update(name, *text);
    } else {
      manifests.set_unreadable(name, text.error().text());
    }
  }
  return loaded(manifests, path.string());
}

}  // namespace proxy::sources::manifests
