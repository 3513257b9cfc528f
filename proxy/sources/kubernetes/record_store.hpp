// What is known of one kind of object: the last list and what the watch said since.
//
// Pure. Turns lists and events into changes: a list replaces what was known, so that what is not in
// it any more is a removal; an event that changes nothing that viaduct reads (an annotation, a
// node's heartbeat) is no change; one that is older than what is known of its object is ignored.
//
// Records are kept as their bytes (records/binary.hpp), a fraction of the memory of the records.
#pragma once

#include "proxy/records/binary.hpp"
#include "proxy/records/decode.hpp"
#include "proxy/sources/kubernetes/resource_version.hpp"
#include "proxy/sources/source.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace proxy::sources::kubernetes {

using RecordBytes = std::shared_ptr<const std::string>;

class RecordStore {
 public:
  // `reader` is shared by all stores of a source and outlives them.
  RecordStore(records::Kind kind, records::BinaryReader& reader) : kind_{kind}, reader_{reader} {}

  // A list, item by item. What was known stays as it is until end_list(); begin_list() forgets an
  // unfinished one.
  void begin_list();
  void list_item(records::Outcome item);
  void list_without(const records::ObjectName& name);  // deleted before the list was through
  // How the list will change what is known.
  [[nodiscard]] std::vector<Change> list_changes() const;
  void end_list();

  // An object was added or modified.
  void put(records::Outcome object, std::vector<Change>& changes);
  // It was deleted at `version`.
  void remove(const records::ObjectName& name, ResourceVersion version,
              std::vector<Change>& changes);

  // All there is, for a snapshot. Endpoints come as the slices that they stand for.
  void append_all(std::vector<records::Record>& all) const;
  [[nodiscard]] std::vector<RecordBytes> all_bytes() const;
  [[nodiscard]] std::size_t size() const { return known_.size(); }

  // What is wrong with objects, one text each; those that could not be used at all are at their
  // last good version.
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& problems() const {
    return problems_;
  }
  // Counts up whenever problems() changes.
  [[nodiscard]] std::size_t problem_generation() const { return problem_generation_; }

 private:
  struct Entry {
    ResourceVersion version;
    RecordBytes bytes;
  };
  struct NameHash {
    std::size_t operator()(const records::ObjectName& name) const noexcept {
      const std::hash<std::string> hash;
      return hash(name.space) * 31 + hash(name.name);
    }
  };
  using Entries = std::unordered_map<records::ObjectName, Entry, NameHash>;
  using Problems = std::map<std::string, std::vector<std::string>>;

  void note_problem(Problems& problems, const records::ObjectName& name,
                    std::vector<std::string> texts);
  void changed(const RecordBytes& before, const RecordBytes& now,
               std::vector<Change>& changes) const;
  [[nodiscard]] records::Record record_in(const RecordBytes& bytes) const;
  [[nodiscard]] std::vector<records::Record> delivered(const RecordBytes& bytes) const;
  void bury(const records::ObjectName& name, ResourceVersion version);

  records::Kind kind_;
  records::BinaryReader& reader_;
  Entries known_;
  Entries listed_;
  Problems problems_;
  Problems listed_problems_;
  std::size_t problem_generation_ = 0;
  // Versions at which objects were deleted lately: an overtaken event must not bring one back.
  std::unordered_map<records::ObjectName, ResourceVersion, NameHash> graves_;
  std::deque<records::ObjectName> grave_order_;
};

}  // namespace proxy::sources::kubernetes
