#include "proxy/config/ipvs_from_flags.hpp"

#include <fmt/format.h>

namespace proxy::config {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// The kernel counts whole seconds; a part of one is rounded up, so that it is not 0.
Result<seconds> whole_seconds(const FlagValues& flags, std::string_view name) {
  constexpr seconds kMost = std::chrono::hours{24 * 365};
  const auto value = flags.duration(name);
  if (value < nanoseconds{0}) {
    return invalid(fmt::format("--{}: {} is negative", name, duration_text(value)));
  }
  if (value > kMost) {
    return invalid(fmt::format("--{}: {} is more than a year", name, duration_text(value)));
  }
  return std::chrono::ceil<seconds>(value);
}

}  // namespace

Result<Ipvs> ipvs_from_flags(const FlagValues& flags) {
  Ipvs ipvs;
  ipvs.scheduler = flags.text("ipvs-scheduler");
  ipvs.strict_arp = flags.boolean("ipvs-strict-arp");
  for (const auto& text : flags.list("ipvs-exclude-cidrs")) {
    const auto prefix = parse_prefix(text);
    if (!prefix) return within("--ipvs-exclude-cidrs", prefix.error());
    ipvs.exclude_cidrs.push_back(*prefix);
  }
  struct Place {
    const char* flag;
    seconds Ipvs::*member;
  };
  for (const auto& [flag, member] : {Place{"ipvs-tcp-timeout", &Ipvs::tcp_timeout},
                                     Place{"ipvs-tcpfin-timeout", &Ipvs::tcp_fin_timeout},
                                     Place{"ipvs-udp-timeout", &Ipvs::udp_timeout},
                                     Place{"ipvs-drain-limit", &Ipvs::drain_limit}}) {
    const auto value = whole_seconds(flags, flag);
    if (!value) return value.error();
    ipvs.*member = *value;
  }
  return ipvs;
}

}  // namespace proxy::config
