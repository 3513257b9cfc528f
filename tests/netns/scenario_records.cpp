#include "tests/netns/scenario_records.hpp"

#include "proxy/records/decode.hpp"

#include <algorithm>
#include <stdexcept>

namespace netns {

namespace records = proxy::records;

std::vector<std::filesystem::path> scenario_files(std::initializer_list<const char*> folders) {
  std::vector<std::filesystem::path> files;
  for (const auto* folder : folders) {
    for (const auto& file : std::filesystem::directory_iterator{folder}) {
      if (file.path().extension() == ".yaml") files.push_back(file.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

std::string test_name(const std::filesystem::path& scenario) {
  auto name = scenario.stem().string();
  std::ranges::replace(name, '-', '_');
  return name;
}

std::vector<proxy::sources::Change> changes_of(const Step& step) {
  records::Decoder decoder;
  std::vector<proxy::sources::Change> changes;
  for (const auto& object : step.apply) {
    auto outcome = decoder.decode_object(object.json);
    if (std::holds_alternative<records::Skipped>(outcome)) continue;
    auto* decoded = std::get_if<records::Decoded>(&outcome);
    if (decoded == nullptr) throw std::runtime_error{"does not decode: " + object.json};
    changes.emplace_back(std::move(decoded->record));
  }
  for (const auto& key : step.remove) {
    const auto kind =
        key.kind == "Service" ? records::Kind::service : records::Kind::endpoint_slice;
    changes.emplace_back(proxy::sources::Removal{{kind, {key.name_space, key.name}}});
  }
  return changes;
}

}  // namespace netns
