// Addresses of the loopback link, over rtnetlink.
//
// The link lo is everywhere, needs no module, and what is on it is no address that others take for
// the node's. An address on it is local to every interface of the node all the same.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/result.hpp"

namespace dns::node {

// In the network namespace of the calling thread. False if the address was there already; fails
// with what the kernel says (EPERM without CAP_NET_ADMIN).
[[nodiscard]] proxy::Result<bool> add_to_loopback(const proxy::IpAddress& address);
// False if it was not there.
[[nodiscard]] proxy::Result<bool> remove_from_loopback(const proxy::IpAddress& address);

}  // namespace dns::node
