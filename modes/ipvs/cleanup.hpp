// Removes what the ipvs mode ever left in the kernel outside of iptables' tables, and nothing else.
#pragma once

#include "modes/mode.hpp"

#include <memory>

namespace modes::ipvs {

struct CleanupReport {
  std::size_t virtual_servers = 0;
  std::size_t addresses = 0;
  [[nodiscard]] bool anything() const { return virtual_servers + addresses > 0 || guard; }
  bool guard = false;
};

// Virtual servers, the link kube-ipvs0 and our nf_tables tables go if those tables are there:
// without them all that is another proxy's. Never loads a kernel module.
[[nodiscard]] Awaitable<Result<CleanupReport>> cleanup();

// A mode that takes away what the ipvs mode left, once its own first reconcile has succeeded:
// packets meet the old way or the new one.
[[nodiscard]] std::unique_ptr<Mode> succeeding_ipvs(std::unique_ptr<Mode> mode);

}  // namespace modes::ipvs
