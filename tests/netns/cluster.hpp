// The cluster as a folder of manifests, one file per object, as `viaduct run --manifests` reads it.
#pragma once

#include "tests/netns/scenario.hpp"

#include <filesystem>

namespace netns {

class Cluster {
 public:
  // Makes the folder, empty. Throws std::filesystem::filesystem_error.
  explicit Cluster(std::filesystem::path folder);

  void apply(
      const Object& object) const;  // creates or replaces; readers see old or new, never half
  void remove(const ObjectKey& key) const;

  // What every scenario's cluster has besides its own objects: the node by TOPOLOGY.md (an object
  // of the scenario's own replaces it), the service CIDRs, the namespaces.
  void apply_surroundings(const ProxySettings& proxy) const;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace netns
