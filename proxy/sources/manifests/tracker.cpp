#include "proxy/sources/manifests/tracker.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace proxy::sources::manifests {
namespace {

bool same_folder(const std::optional<Signature>& a, const Signature& b) {
  return a && a->device == b.device && a->inode == b.inode;
}

// Of descriptors or memory: nobody will announce that it is over.
bool is_shortage(const Error& error) {
  return error.code == std::errc::too_many_files_open ||
         error.code == std::errc::too_many_files_open_in_system ||
         error.code == std::errc::not_enough_memory;
}

// A mounted ConfigMap is a folder of links into ..data, itself a link that is swapped: one rename
// changes every file.
bool is_link_swap(const std::string& name) {
  return name.starts_with("..");
}

}  // namespace

Tracker::Tracker(std::filesystem::path root, FolderWatch watch, Timing timing)
    : root_{std::move(root)}, timing_{timing}, watch_{std::move(watch)} {}

// ── when ────────────────────────────────────────────────────────────────────────────────────────

void Tracker::take_events(Clock::time_point now) {
  const auto events = watch_.read();
  if (events) return handle(*events, now);
  watch_problem_ = events.error().text();
  watch_.stop();
  scan(now, Haste::at_once);
}

void Tracker::tick(Clock::time_point now) {
  const bool overdue =
      std::ranges::any_of(missing_, [&](const auto& file) { return file.second <= now; });
  const bool files_due = now >= next_look_at_files_;
  if (!overdue && !files_due) {
    if (now < next_look_at_root_) return;
    next_look_at_root_ = now + timing_.look_at_root;
    const auto root = status_of(root_);
    const auto folder = only_ ? status_of(folder_) : root;
    const bool same = root && folder && root->type != FileType::absent &&
                      same_folder(watched_, folder->signature);
    if (root_is_there_ && same) return;
  }
  scan(now, found_ && root_is_there_ ? Haste::when_settled : Haste::at_once);
  remove_overdue(now);
}

Tracker::Clock::time_point Tracker::next_tick() const {
  auto next = std::min(next_look_at_root_, next_look_at_files_);
  for (const auto& [name, due] : missing_) next = std::min(next, due);
  return next;
}

bool Tracker::read_again(Clock::time_point now) {
  const auto wanted = manifests_.files_to_read_again();
  for (const auto& name : wanted) read(name, now);
  return !wanted.empty();
}

// ── the folder ──────────────────────────────────────────────────────────────────────────────────

void Tracker::lose_root(const std::string& why) {
  root_problem_ = found_ ? why + "; what it said stays in force" : why + "; waiting for it";
  root_is_there_ = false;
  missing_.clear();  // not deleted one by one
  unsettled_.clear();
}

// What comes in its place is another one, even if it has got the same inode.
void Tracker::forget_folder() {
  watched_.reset();
  read_from_.reset();
}

void Tracker::watch(const std::filesystem::path& folder, const Signature& signature) {
  if (watch_.active() && same_folder(watched_, signature)) return;
  const auto watching = watch_.watch(folder);
  watched_ = signature;
  watch_problem_ = watching ? ""
                            : watching.error().text() + "; changes are noticed late, every " +
                                  std::to_string(timing_.look_at_root.count()) + " ms";
}

void Tracker::scan(Clock::time_point now, Haste haste) {
  next_look_at_root_ = now + timing_.look_at_root;
  next_look_at_files_ = now + timing_.look_at_files;
  const auto root = status_of(root_);
  if (!root) return lose_root(root.error().text());
  if (root->type == FileType::absent) {
    watch_.stop();
    forget_folder();
    next_look_at_root_ = now + timing_.retry;
    return lose_root(found_ ? "is gone" : "does not exist yet");
  }
  only_.reset();
  folder_ = root_;
  if (root->type != FileType::folder) {
    only_ = root_.filename();
    folder_ = root_.has_parent_path() ? root_.parent_path() : ".";
  }
  const auto folder = status_of(folder_);
  if (!folder) return lose_root(folder.error().text());
  // Watch first, then look: what changes in between is told, and looked at twice.
  watch(folder_, folder->signature);
  if (!watch_.active()) next_look_at_files_ = now + timing_.look_at_root;

  auto listed =
      only_ ? std::map<std::string, Signature>{{*only_, root->signature}} : list_manifests(folder_);
  if (!listed) return lose_root(listed.error().text());
  // Somebody puts a new folder in place of the old one and is going to fill it, or it was a mount
  // point.
  if (listed->empty() && !known_.empty() && !same_folder(read_from_, folder->signature)) {
    return lose_root("is another folder now and holds no manifest");
  }
  // A new folder is filled file by file.
  const bool replaced = found_ && !same_folder(read_from_, folder->signature);
  const auto grace = replaced ? timing_.replacement_grace : timing_.deletion_grace;
  found_ = true;
  root_is_there_ = true;
  read_from_ = folder->signature;
  root_problem_.clear();
  compare(*listed, now, haste);
  for (const auto& [name, signature] : known_) {
    if (!listed->contains(name)) missing_.try_emplace(name, now + grace);
  }
}

void Tracker::compare(const std::map<std::string, Signature>& listed, Clock::time_point now,
                      Haste haste) {
  for (const auto& [name, signature] : listed) {
    missing_.erase(name);
    const auto known = known_.find(name);
    if (known != known_.end() && known->second == signature) continue;
    const auto before = unsettled_.find(name);
    const bool settled = before != unsettled_.end() && before->second == signature;
    if (haste == Haste::at_once || settled) {
      read(name, now);
    } else {
      unsettled_[name] = signature;
      next_look_at_files_ = now + timing_.look_at_root;
    }
  }
}

// ── its files ───────────────────────────────────────────────────────────────────────────────────

std::filesystem::path Tracker::path_of(const std::string& name) const {
  return folder_ / name;
}

bool Tracker::is_ours(const std::string& name) const {
  return only_ ? name == *only_ : is_manifest_name(name);
}

// Made complete in one step, so that no closing after writing follows.
bool Tracker::is_link(const std::string& name) const {
  struct stat status {};
  if (::lstat(path_of(name).c_str(), &status) != 0) return false;
  return S_ISLNK(status.st_mode) || status.st_nlink > 1;
}

void Tracker::handle(const FolderEvents& events, Clock::time_point now) {
  const auto any_swap = [](const std::set<std::string>& names) {
    return std::ranges::any_of(names, is_link_swap);
  };
  if (!root_is_there_ || events.folder_gone || events.overflow || any_swap(events.written) ||
      any_swap(events.created) || any_swap(events.gone)) {
    if (events.folder_gone) forget_folder();
    return scan(now, Haste::at_once);
  }
  for (const auto& name : events.gone) {
    if (is_ours(name) && known_.contains(name)) expect_back(name, now);
  }
  for (const auto& name : events.created) {
    if (is_ours(name) && is_link(name)) read(name, now);
  }
  for (const auto& name : events.permitted) {
    if (is_ours(name) && known_.contains(name) && known_.at(name) == Signature{}) read(name, now);
  }
  for (const auto& name : events.written) {
    if (is_ours(name)) read(name, now);
  }
}

void Tracker::read(const std::string& name, Clock::time_point now) {
  unsettled_.erase(name);
  const auto path = path_of(name);
  // Before it is read: what is written meanwhile makes it look different afterwards.
  const auto status = status_of(path);
  if (status && status->type == FileType::folder) return;
  const auto text = read_file(path);
  if (!text && text.error().code == std::errc::no_such_file_or_directory) {
    if (known_.contains(name)) expect_back(name, now);
    return;
  }
  missing_.erase(name);
  if (!text || !status) {
    const auto& error = text ? status.error() : text.error();
    known_[name] = {};  // like no file at all, so that it is tried again
    if (is_shortage(error)) {
      next_look_at_files_ = std::min(next_look_at_files_, now + timing_.look_at_root);
    }
    return manifests_.set_unreadable(name, error.text());
  }
  known_[name] = status->signature;
  manifests_.update(name, *text);
}

void Tracker::expect_back(const std::string& name, Clock::time_point now) {
  missing_.try_emplace(name, now + timing_.deletion_grace);
}

void Tracker::remove_overdue(Clock::time_point now) {
  std::erase_if(missing_, [&](const auto& file) {
    if (file.second > now) return false;
    known_.erase(file.first);
    manifests_.remove(file.first);
    return true;
  });
}

std::vector<Problem> Tracker::problems() const {
  std::vector<Problem> found;
  for (const auto& problem : {root_problem_, watch_problem_}) {
    if (!problem.empty()) found.push_back({root_.string(), problem});
  }
  const auto folder = only_ ? root_.parent_path() : root_;
  std::ranges::copy(manifests_.problems(folder.string()), std::back_inserter(found));
  return found;
}

}  // namespace proxy::sources::manifests
