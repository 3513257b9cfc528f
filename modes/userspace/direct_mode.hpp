// The userspace mode without steering: viaduct listens on the VIPs that are addresses of this
// machine. Needs no privileges, no netfilter, and changes nothing of the machine.
#pragma once

#include "modes/userspace/service.hpp"
#include "modes/userspace/userspace_mode.hpp"

namespace modes::userspace {

// What can't be served (a VIP that is no address of this machine, a port that may not be bound) is
// set aside if nothing of its service port can be. A VIP without endpoints is not listened on, so
// that the kernel refuses its clients.
[[nodiscard]] Result<std::unique_ptr<Mode>> make_direct_mode(ModeParts parts);

// The places where `port` is to be listened on, on a machine with these addresses. Pure.
[[nodiscard]] std::vector<Vip> direct_places(const ServicePortName& name, const ServicePort& port,
                                             const Settings& settings,
                                             const std::vector<IpAddress>& addresses,
                                             const std::vector<IpAddress>& primary_ips);

}  // namespace modes::userspace
