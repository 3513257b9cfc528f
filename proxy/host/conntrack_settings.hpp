// The kernel's connection tracking set up for a node that forwards: how many connections, for how
// long ("conntrackSysctls" in tests/conformance/naming.yaml; kernel: nf_conntrack-sysctl.rst).
#pragma once

#include "proxy/config/config.hpp"
#include "proxy/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace proxy::host {

enum class Keep : std::uint8_t {
  none,    // the value is to be exactly this
  larger,  // a larger one may stay
};

struct Setting {
  std::string path;  // below /, "proc/sys/net/netfilter/nf_conntrack_max"
  std::int64_t value = 0;
  Keep keep = Keep::none;

  friend bool operator==(const Setting&, const Setting&) = default;
};

// Pure. What is to be set; empty if everything is to stay as it is.
[[nodiscard]] std::vector<Setting> conntrack_settings(const config::Conntrack& wanted,
                                                      unsigned cpus);

// Writes the settings whose value differs, below `root`, and goes on after one that fails. Returns
// what could not be set: no permission, or ENOENT where connection tracking is not loaded.
[[nodiscard]] std::vector<Error> apply(const std::vector<Setting>& settings,
                                       const std::filesystem::path& root = "/");

}  // namespace proxy::host
