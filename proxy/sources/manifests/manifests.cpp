#include "proxy/sources/manifests/manifests.hpp"

#include <algorithm>
#include <ranges>

namespace proxy::sources::manifests {
namespace {

std::string in_folder(const std::string& folder, const std::string& file) {
  if (folder.empty()) return file;
  return folder.ends_with('/') ? folder + file : folder + "/" + file;
}

std::string place(const std::string& path, std::size_t line) {
  return line == 1 ? path : path + ", document at line " + std::to_string(line);
}

// What a complaint leads to, if something of the last version stays in force because of it.
std::string consequence(const Complaint& complaint, const std::vector<RecordPtr>& retained) {
  if (!complaint.key) {
    return retained.empty() ? "" : "; what the file said before and now does not stays in force";
  }
  const bool kept = std::ranges::any_of(
      retained, [&](const RecordPtr& record) { return key_of(*record) == *complaint.key; });
  return kept ? "; its last good version stays in force" : "";
}

std::string title(const records::RecordKey& key) {
  return std::string{to_string(key.kind)} + " " + key.name.text();
}

Change change_of(const RecordChange& change) {
  if (!change.after) return Removal{change.key};
  return *change.after;
}

}  // namespace

void Manifests::update(const std::string& name, std::string_view text) {
  auto& file = files_[name];
  if (text.empty() && has_content(name)) {
    file.unreadable = "is empty; what it said stays in force until it is deleted or written";
    return;
  }
  file.unreadable.clear();
  file.content = read_content(text, decoder_, std::move(file.content));
  claim(name, file);
}

void Manifests::set_unreadable(const std::string& name, std::string why) {
  auto& file = files_[name];
  file.unreadable = std::move(why);
  if (has_content(name)) file.unreadable += "; what it said stays in force";
}

void Manifests::remove(const std::string& name) {
  files_.erase(name);
  catalogue_.set(name, {});
}

bool Manifests::has_content(const std::string& name) const {
  const auto file = files_.find(name);
  return file != files_.end() &&
         (!file->second.content.documents.empty() || !file->second.content.retained.empty());
}

void Manifests::claim(const std::string& name, const File& file) {
  std::vector<Claim> claims;
  for (const auto& document : file.content.documents) {
    for (const auto& record : document.records) claims.push_back({record, document.first_line});
  }
  for (const auto& record : file.content.retained) claims.push_back({record, 1});
  catalogue_.set(name, std::move(claims));
}

std::vector<Change> Manifests::take_changes() {
  const auto written = catalogue_.take_changes();
  for (const auto& change : written) derived_.apply(change);
  const auto derived = derived_.take_changes();
  std::vector<Change> changes;
  changes.reserve(written.size() + derived.size());
  std::ranges::transform(written, std::back_inserter(changes), change_of);
  std::ranges::transform(derived, std::back_inserter(changes), change_of);
  return changes;
}

std::vector<Problem> Manifests::problems(const std::string& folder) const {
  std::vector<Problem> found;
  for (const auto& [name, file] : files_) {
    const auto path = in_folder(folder, name);
    if (!file.unreadable.empty()) found.push_back({path, file.unreadable});
    for (const auto& document : file.content.documents) {
      const auto where = place(path, document.first_line);
      for (const auto& complaint : document.complaints) {
        found.push_back({where, complaint.what + consequence(complaint, file.content.retained)});
      }
      for (const auto& remark : document.remarks) found.push_back({where, remark});
    }
  }
  for (const auto& conflict : catalogue_.conflicts()) {
    found.push_back({place(in_folder(folder, conflict.losing_file), conflict.losing_line),
                     title(conflict.key) + ": is also in " +
                         place(in_folder(folder, conflict.winning_file), conflict.winning_line) +
                         ", which counts"});
  }
  return found;
}

std::vector<std::string> Manifests::skipped() const {
  std::vector<std::string> found;
  for (const auto& [name, file] : files_) {
    for (const auto& document : file.content.documents) {
      for (const auto& object : document.skipped) found.push_back(name + ": " + object);
    }
  }
  return found;
}

}  // namespace proxy::sources::manifests
