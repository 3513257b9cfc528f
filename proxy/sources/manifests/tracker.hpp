// Follows a folder of manifests, or a single one, on disk: when to read which file, and what it
// means that something is not there.
//
// Has no loop and no clock of its own: it is told the time and what the kernel reported, and says
// when it wants to be called again. Reads files itself, blocking (they are local and cached).
#pragma once

#include "proxy/sources/manifests/disk.hpp"
#include "proxy/sources/manifests/inotify.hpp"
#include "proxy/sources/manifests/manifests.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace proxy::sources::manifests {

struct Timing {
  // A file that is gone may be about to come back: editors move the old one away first.
  std::chrono::milliseconds deletion_grace{50};
  std::chrono::milliseconds replacement_grace{1000};  // in a folder that took another's place
  std::chrono::milliseconds retry{100};               // looking for a folder that is not there
  // Beside inotify, which does not see through symbolic links, renamed parents and remote file
  // systems: is the folder still the same one, and are the files?
  std::chrono::milliseconds look_at_root{1000};
  std::chrono::milliseconds look_at_files{10'000};
};

class Tracker {
 public:
  using Clock = std::chrono::steady_clock;

  Tracker(std::filesystem::path root, FolderWatch watch, Timing timing = {});

  [[nodiscard]] int fd() const { return watch_.fd(); }  // readable: call take_events()

  // Reads what has to be read. take_events() for what the kernel told, tick() at next_tick() or
  // earlier; the first tick() reads everything.
  void take_events(Clock::time_point now);
  void tick(Clock::time_point now);
  [[nodiscard]] Clock::time_point next_tick() const;

  // Reads what manifests().files_to_read_again() asks for; false if there was nothing to read. Call
  // it after changes were taken.
  bool read_again(Clock::time_point now);

  // Has the folder, or file, been there at all? Until then there is nothing to go by.
  [[nodiscard]] bool found() const { return found_; }
  [[nodiscard]] Manifests& manifests() { return manifests_; }
  [[nodiscard]] std::vector<Problem> problems() const;

 private:
  // May a file be read at once, or only if it looks as it did the last time somebody looked? What
  // no event announced may be half-written.
  enum class Haste : std::uint8_t { at_once, when_settled };

  void scan(Clock::time_point now, Haste haste);
  void handle(const FolderEvents& events, Clock::time_point now);
  void forget_folder();
  void lose_root(const std::string& why);
  void watch(const std::filesystem::path& folder, const Signature& signature);
  void compare(const std::map<std::string, Signature>& listed, Clock::time_point now, Haste haste);
  void read(const std::string& name, Clock::time_point now);
  void expect_back(const std::string& name, Clock::time_point now);
  void remove_overdue(Clock::time_point now);
  [[nodiscard]] bool is_ours(const std::string& name) const;
  [[nodiscard]] bool is_link(const std::string& name) const;
  [[nodiscard]] std::filesystem::path path_of(const std::string& name) const;

  std::filesystem::path root_;
  Timing timing_;
  FolderWatch watch_;
  Manifests manifests_;

  std::filesystem::path folder_;        // root_, or the one that root_ is a file in
  std::optional<std::string> only_;     // that file's name
  std::optional<Signature> watched_;    // the folder that is watched
  std::optional<Signature> read_from_;  // the folder that the content is from
  bool found_ = false;
  bool root_is_there_ = false;
  std::string root_problem_, watch_problem_;
  std::map<std::string, Signature> known_;            // files as they were when they were read
  std::map<std::string, Signature> unsettled_;        // files that changed without an event
  std::map<std::string, Clock::time_point> missing_;  // files that are gone, and when that counts
  Clock::time_point next_look_at_root_{}, next_look_at_files_{};
};

}  // namespace proxy::sources::manifests
