// The objects of a cluster and the history of their changes, as an API server keeps them.
//
// Pure. Objects are compact JSON texts with "metadata":{ in them, into which the version is
// written.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fakes {

struct ObjectEvent {
  std::uint64_t version = 0;
  std::string resource;  // "services"
  std::string type;      // "ADDED"
  std::string object;    // with its version
};

// What one request is interested in: the label keys that must be absent ("!key" in a selector), and
// metadata.name, if that is selected.
struct ObjectFilter {
  std::vector<std::string> without_labels;
  std::string name;

  [[nodiscard]] bool matches(std::string_view object) const;
};

class ClusterObjects {
 public:
  // Returns the event that it makes.
  const ObjectEvent& put(const std::string& resource, const std::string& key,
                         const std::string& json);
  // nullptr if there is no such object.
  const ObjectEvent* remove(const std::string& resource, const std::string& key);
  // Forgets all history: older versions can't be watched any more.
  void compact();

  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] std::vector<std::string> list(const std::string& resource,
                                              const ObjectFilter& filter) const;
  [[nodiscard]] std::vector<std::string> keys(const std::string& resource) const;
  // Changes after `version`; nullopt if they have been forgotten.
  [[nodiscard]] std::optional<std::vector<ObjectEvent>> changes_after(
      const std::string& resource, std::uint64_t version, const ObjectFilter& filter) const;

 private:
  std::uint64_t version_ = 1000;
  std::uint64_t compacted_ = 0;
  std::map<std::string, std::map<std::string, std::string>> objects_;  // by resource, by key
  std::deque<ObjectEvent> history_;
};

}  // namespace fakes
