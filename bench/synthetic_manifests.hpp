// The cluster of synthetic_cluster.hpp as manifests, an object each.
#pragma once

#include "tests/netns/scenario.hpp"

namespace bench {

[[nodiscard]] netns::Object service_manifest(int number);
// Without its last endpoint if `shrunk`.
[[nodiscard]] netns::Object slice_manifest(int number, bool shrunk = false);

}  // namespace bench
