// The generation of a namespace's nf_tables: grows with every committed change, by whomever, and so
// tells whether anything was written at all.
#pragma once

#include "tests/netns/network_namespace.hpp"

#include <cstdint>

namespace netns {

[[nodiscard]] std::uint32_t nf_tables_generation(const NetworkNamespace& net);  // throws LabError

}  // namespace netns
