// Which statement counts where several files, or documents of one, say the same object.
//
// Pure. The first in the order of file names, then of documents, counts; it does not matter which
// was seen first.
#pragma once

#include "proxy/sources/manifests/file_content.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace proxy::sources::manifests {

// A record that is new or another one, or null for a key that is gone.
struct RecordChange {
  records::RecordKey key;
  std::unique_ptr<records::Record> after;
};

// An object that is said more than once.
struct Conflict {
  records::RecordKey key;
  std::string winning_file, losing_file;
  std::size_t winning_line = 1, losing_line = 1;
};

class Catalogue {
 public:
  // What `file` says from now on; empty for a file that is gone. No statement is in it twice, or in
  // two files, but several may be of the same key.
  void set(const std::string& file, std::vector<StatementPtr> statements);

  // What changed since the last call, in the order of keys; takes the bodies of the statements. A
  // change for which the body is not there any more waits until it is.
  [[nodiscard]] std::vector<RecordChange> take_changes();

  // The files in which those bodies are: set them again with statements that have them.
  [[nodiscard]] const std::set<std::string>& files_to_read_again() const { return wanted_; }

  // In the order of keys; one for each claim that does not count.
  [[nodiscard]] std::vector<Conflict> conflicts() const;

 private:
  // One file's say about one key.
  struct Say {
    const std::string* file = nullptr;  // a key of files_
    StatementPtr statement;
    friend bool operator==(const Say&, const Say&) = default;
  };
  // Statements lend their keys, of which a cluster has many, to the map that they are in.
  struct ByKey {
    bool operator()(const records::RecordKey* a, const records::RecordKey* b) const {
      return *a < *b;
    }
  };
  using Winners = std::map<const records::RecordKey*, Say, ByKey>;

  void add(Say say);
  void remove(const Say& say);
  void set_winner(Winners::iterator winner, Say say);
  void resort_losers();
  void touch(const records::RecordKey& key);

  std::map<std::string, std::vector<StatementPtr>> files_;
  Winners winners_;
  std::map<records::RecordKey, std::vector<Say>> losers_;  // in the order in which they would count
  // Keys that may have changed, with the fingerprint of what was last handed over, if anything was.
  std::map<records::RecordKey, std::optional<std::uint64_t>> touched_;
  std::set<std::string> wanted_;
};

}  // namespace proxy::sources::manifests
