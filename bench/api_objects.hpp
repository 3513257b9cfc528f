// The objects of bench/synthetic_cluster.hpp as an API server sends them: with managed fields, uids
// and everything that viaduct does not read.
#pragma once

#include <string>

namespace bench {

// Compact JSON with "metadata":{ in it and no version.
[[nodiscard]] std::string service_json(int number);
// `generation` makes it another one: its last endpoint is not ready in every second.
[[nodiscard]] std::string slice_json(int number, int generation = 0);

}  // namespace bench
