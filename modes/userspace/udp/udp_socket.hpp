// The UDP sockets of the proxy, as system calls (udp(7), ip(7), ipv6(7), raw(7)). All are
// non-blocking and closed on exec.
#pragma once

#include "modes/userspace/settings.hpp"
#include "modes/userspace/socket_address.hpp"
#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <optional>

namespace modes::userspace::udp {

using proxy::Error;
using proxy::Result;
using proxy::UniqueFd;

// Receives datagrams that TPROXY leads to it, with the address they were sent to. Port 0 takes a
// free one; several share a port. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<UniqueFd> listen_steered(Family family, Port port);
// Receives what is sent to an address of this machine, or to all of them.
[[nodiscard]] Result<UniqueFd> listen_at(const IpAddress& address, Port port);
// One that is bound already, to be as listen_at() makes them.
[[nodiscard]] Result<void> prepare_inherited(int fd, Family family);

struct Connecting {
  std::optional<IpAddress> source;  // bear this address, which need not be ours (IP_TRANSPARENT)
  bool marked = true;               // kOwnMark; needs CAP_NET_ADMIN
};
[[nodiscard]] Result<UniqueFd> connect_to(const Peer& endpoint, const Connecting& how);
// The same socket, to somebody else from now on; errno, 0 for success.
[[nodiscard]] int connect_again(int fd, const Peer& endpoint);

// Sends UDP from any address and port, ours or not: the UDP header is part of what is sent, the
// source address goes along as packet information. Receives nothing. Needs CAP_NET_RAW.
[[nodiscard]] Result<UniqueFd> open_sender(Family family);

}  // namespace modes::userspace::udp
