// Flow scenarios for tests without packets: which there are, and their steps as the records that
// the state of a node takes.
#pragma once

#include "proxy/sources/source.hpp"
#include "tests/netns/scenario.hpp"

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

namespace netns {

// The .yaml files of these folders, in order of their paths.
[[nodiscard]] std::vector<std::filesystem::path> scenario_files(
    std::initializer_list<const char*> folders);

// "node-ports.yaml" → "node_ports", as names of tests have it.
[[nodiscard]] std::string test_name(const std::filesystem::path& scenario);

// Without objects that the decoder skips; throws if one does not decode.
[[nodiscard]] std::vector<proxy::sources::Change> changes_of(const Step& step);

}  // namespace netns
