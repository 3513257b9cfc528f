#include "tests/fakes/api_server/cluster_objects.hpp"

namespace fakes {
namespace {

std::string versioned(std::string json, std::uint64_t version) {
  constexpr std::string_view kMetadata = R"("metadata":{)";
  const auto at = json.find(kMetadata);
  if (at == std::string::npos) return json;
  return json.insert(at + kMetadata.size(),
                     R"("resourceVersion":")" + std::to_string(version) + R"(",)");
}

}  // namespace

bool ObjectFilter::matches(std::string_view object) const {
  for (const auto& label : without_labels) {
    if (object.find('"' + label + "\":") != std::string_view::npos) return false;
  }
  return name.empty() || object.find(R"("name":")" + name + '"') != std::string_view::npos;
}

const ObjectEvent& ClusterObjects::put(const std::string& resource, const std::string& key,
                                       const std::string& json) {
  auto& objects = objects_[resource];
  const bool is_new = !objects.contains(key);
  ++version_;
  auto object = versioned(json, version_);
  objects[key] = object;
  return history_.emplace_back(
      ObjectEvent{version_, resource, is_new ? "ADDED" : "MODIFIED", std::move(object)});
}

const ObjectEvent* ClusterObjects::remove(const std::string& resource, const std::string& key) {
  auto& objects = objects_[resource];
  const auto found = objects.find(key);
  if (found == objects.end()) return nullptr;
  ++version_;
  auto last = found->second;
  objects.erase(found);
  // The version of the deletion stands in the object, as with etcd.
  const auto from = last.find(R"("resourceVersion":")") + 19;
  last.replace(from, last.find('"', from) - from, std::to_string(version_));
  return &history_.emplace_back(ObjectEvent{version_, resource, "DELETED", std::move(last)});
}

void ClusterObjects::compact() {
  ++version_;  // whatever was seen last is too old now
  compacted_ = version_;
  history_.clear();
}

std::vector<std::string> ClusterObjects::list(const std::string& resource,
                                              const ObjectFilter& filter) const {
  std::vector<std::string> all;
  const auto objects = objects_.find(resource);
  if (objects == objects_.end()) return all;
  for (const auto& [key, object] : objects->second) {
    if (filter.matches(object)) all.push_back(object);
  }
  return all;
}

std::vector<std::string> ClusterObjects::keys(const std::string& resource) const {
  std::vector<std::string> all;
  const auto objects = objects_.find(resource);
  if (objects == objects_.end()) return all;
  for (const auto& [key, object] : objects->second) all.push_back(key);
  return all;
}

std::optional<std::vector<ObjectEvent>> ClusterObjects::changes_after(
    const std::string& resource, std::uint64_t version, const ObjectFilter& filter) const {
  if (version < compacted_) return std::nullopt;
  std::vector<ObjectEvent> events;
  for (const auto& event : history_) {
    if (event.version > version && event.resource == resource && filter.matches(event.object)) {
      events.push_back(event);
    }
  }
  return events;
}

}  // namespace fakes
