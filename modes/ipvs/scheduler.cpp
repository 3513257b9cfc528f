#include "modes/ipvs/scheduler.hpp"

#include <linux/ip_vs.h>

#include <algorithm>
#include <array>

namespace modes::ipvs {
namespace {

// net/netfilter/ipvs/ip_vs_*.c; twos since Linux 5.0.
constexpr std::array<std::string_view, 14> kNames{
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"};

struct Flag {
  std::string_view scheduler;
  std::string_view name;
  std::uint32_t bit;
};
constexpr std::array<Flag, 4> kFlags{{{"sh", "sh-fallback", IP_VS_SVC_F_SCHED1},
                                      {"sh", "sh-port", IP_VS_SVC_F_SCHED2},
                                      {"mh", "mh-fallback", IP_VS_SVC_F_SCHED1},
                                      {"mh", "mh-port", IP_VS_SVC_F_SCHED2}}};

}  // namespace

proxy::Result<Scheduler> parse_scheduler(std::string_view text) {
  Scheduler out;
  if (text.empty()) return out;
  const auto end = std::min(text.find(','), text.size());
  const auto name = text.substr(0, end);
  if (std::ranges::find(kNames, name) == kNames.end()) {
    return proxy::invalid(
        "\"" + std::string{name} +
        "\" is no IPVS scheduler (rr, wrr, lc, wlc, lblc, lblcr, dh, sh, sed, nq, "
        "fo, ovf, mh, twos)");
  }
  out.name = name;
  for (auto rest = text.substr(end); !rest.empty();) {
    rest.remove_prefix(1);
    const auto word = rest.substr(0, std::min(rest.find(','), rest.size()));
    rest.remove_prefix(word.size());
    const auto flag = std::ranges::find_if(
        kFlags, [&](const Flag& known) { return known.scheduler == name && known.name == word; });
    if (flag == kFlags.end()) {
      return proxy::invalid("\"" + std::string{word} + "\" is no flag of the IPVS scheduler " +
                            out.name);
    }
    out.flags |= flag->bit;
  }
  return out;
}

}  // namespace modes::ipvs
