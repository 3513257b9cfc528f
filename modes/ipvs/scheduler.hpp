// How IPVS chooses a real server: a scheduler's name and its flags.
#pragma once

#include "proxy/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace modes::ipvs {

struct Scheduler {
  std::string name = "rr";
  std::uint32_t flags = 0;  // IP_VS_SVC_F_SCHED1 … 3 (linux/ip_vs.h)

  friend auto operator<=>(const Scheduler&, const Scheduler&) = default;
  friend bool operator==(const Scheduler&, const Scheduler&) = default;
};

// As flag and annotation have it: a name, and for mh and sh their flags behind it by commas, as
// ipvsadm calls them ("mh,mh-port,mh-fallback"). Empty means rr. Fails for a name that no kernel
// has, and for a flag of another scheduler.
[[nodiscard]] proxy::Result<Scheduler> parse_scheduler(std::string_view text);

}  // namespace modes::ipvs
