#include "proxy/sources/manifests/manifests.hpp"

#include <algorithm>

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
std::string consequence(const Complaint& complaint, const std::vector<StatementPtr>& retained) {
  if (!complaint.key) {
    return retained.empty() ? "" : "; what the file said before and now does not stays in force";
  }
  const bool kept = std::ranges::any_of(
      retained, [&](const StatementPtr& statement) { return statement->key == *complaint.key; });
  return kept ? "; its last good version stays in force" : "";
}

std::string title(const records::RecordKey& key) {
  return std::string{to_string(key.kind)} + " " + key.name.text();
}

}  // namespace

void Manifests::update(const std::string& name, std::string_view text) {
  auto& file = files_[name];
  if (text.empty() && has_content(name)) {
    file.unreadable = "is empty; what it said stays in force until it is deleted or written";
    return;
  }
  file.unreadable.clear();
  const bool again = files_to_read_again().contains(name);
  file.content = read_content(text, decoder_, std::move(file.content),
                              again ? Reuse::nothing : Reuse::unchanged_documents);
  catalogue_.set(name, statements_of(file.content));
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

std::vector<StatementPtr> Manifests::statements_of(const FileContent& content) {
  std::vector<StatementPtr> statements;
  const auto add = [&](const StatementPtr& statement, std::size_t line) {
    statement->line = line;
    statement->place = statements.size();
    statements.push_back(statement);
  };
  for (const auto& document : content.documents) {
    for (const auto& statement : document.statements) add(statement, document.first_line);
  }
  for (const auto& statement : content.retained) add(statement, 1);
  return statements;
}

template <class Receive>
void Manifests::take(Receive receive) {
  for (auto& change : catalogue_.take_changes()) {
    derived_.apply(change);
    receive(std::move(change));
  }
  for (auto& change : derived_.take_changes()) receive(std::move(change));
}

std::vector<Change> Manifests::take_changes() {
  std::vector<Change> changes;
  take([&](RecordChange change) {
    if (change.after) {
      changes.emplace_back(std::move(*change.after));
    } else {
      changes.emplace_back(Removal{std::move(change.key)});
    }
  });
  return changes;
}

std::vector<records::Record> Manifests::take_first() {
  std::vector<records::Record> all;
  // Nothing was handed over that could be removed.
  take([&](RecordChange change) { all.push_back(std::move(*change.after)); });
  return all;
}

std::vector<Problem> Manifests::problems(const std::string& folder) const {
  std::vector<Problem> found;
  for (const auto& [name, file] : files_) {
    const auto path = in_folder(folder, name);
    if (!file.unreadable.empty()) found.push_back({path, file.unreadable});
    for (const auto& document : file.content.documents) {
      if (!document.notes) continue;
      const auto where = place(path, document.first_line);
      for (const auto& complaint : document.notes->complaints) {
        found.push_back({where, complaint.what + consequence(complaint, file.content.retained)});
      }
      for (const auto& remark : document.notes->remarks) found.push_back({where, remark});
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
      if (!document.notes) continue;
      for (const auto& object : document.notes->skipped) found.push_back(name + ": " + object);
    }
  }
  return found;
}

}  // namespace proxy::sources::manifests
