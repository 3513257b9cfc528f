// How long tests wait for what should happen: on a machine that is emulated, several times as long.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace netns {

// VIADUCT_SLOWNESS of the environment, 1 without it.
[[nodiscard]] inline int slowness() {
  const char* text = std::getenv("VIADUCT_SLOWNESS");
  return text != nullptr ? std::max(1, std::atoi(text)) : 1;
}

[[nodiscard]] inline std::chrono::milliseconds patience(std::chrono::milliseconds usual) {
  return usual * slowness();
}

}  // namespace netns
