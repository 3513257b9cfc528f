// The policy route that delivers marked packets here, whatever their destination (rtnetlink(7),
// linux/fib_rules.h): `ip rule fwmark 0x1000/0x1000 lookup 30308`, and in that table `local default
// dev lo`. Both bear a route protocol number of our own, by which they are known after a crash.
#pragma once

#include "proxy/ip_address.hpp"

namespace modes::userspace::steering {

// Adds what is missing; fails with the kernel's error, EOPNOTSUPP for a family that is turned off.
[[nodiscard]] proxy::Result<void> add_policy_route(proxy::Family family);
// Removes it; that it is gone already is fine.
[[nodiscard]] proxy::Result<void> remove_policy_route(proxy::Family family);

}  // namespace modes::userspace::steering
