// Which record counts where several files, or documents of one, say the same object.
//
// Pure. The first in the order of file names, then of documents, counts; it does not matter which
// was seen first.
#pragma once

#include "proxy/sources/manifests/file_content.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace proxy::sources::manifests {

// What became of one key. Not both are null, and they differ in content.
struct RecordChange {
  records::RecordKey key;
  RecordPtr before, after;
};

// A record, and where in its file it stands.
struct Claim {
  RecordPtr record;
  std::size_t line = 1;  // the first of its document
};

// An object that is said more than once.
struct Conflict {
  records::RecordKey key;
  std::string winning_file, losing_file;
  std::size_t winning_line = 1, losing_line = 1;
};

class Catalogue {
 public:
  // What `file` says from now on, in the order of the file; empty for a file that is gone.
  // `claims` holds no record twice (but it may hold several of the same key).
  void set(const std::string& file, std::vector<Claim> claims);

  // What changed since the last call, in the order of keys.
  [[nodiscard]] std::vector<RecordChange> take_changes();

  // In the order of keys; one for each claim that does not count.
  [[nodiscard]] std::vector<Conflict> conflicts() const;

 private:
  // One file's say about one key.
  struct Say {
    const std::string* file;  // a key of files_
    RecordPtr record;
  };
  using Says = std::vector<Say>;  // in the order in which they count, the first is in force

  void add(const std::string& file, const RecordPtr& record);
  void remove(const std::string& file, const RecordPtr& record);
  void touch(const records::RecordKey& key, const RecordPtr& before);
  [[nodiscard]] std::size_t place_of(const Say& say) const;  // in its file

  std::map<std::string, std::vector<Claim>> files_;
  std::map<records::RecordKey, Says> says_;
  std::set<records::RecordKey> contested_;          // said more than once
  std::map<records::RecordKey, RecordPtr> before_;  // what was in force at the last take
};

}  // namespace proxy::sources::manifests
