// The TCP sockets of the proxy, as system calls (tcp(7), ip(7), ipv6(7)). All are non-blocking and
// closed on exec.
#pragma once

#include "modes/userspace/settings.hpp"
#include "modes/userspace/socket_address.hpp"
#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <optional>

namespace modes::userspace::tcp {

using proxy::Error;
using proxy::Result;
using proxy::UniqueFd;

// Port 0 takes a free one. Several may listen at one place: the kernel spreads connections over
// them (SO_REUSEPORT). What is accepted inherits TCP_NODELAY and keep-alive.
[[nodiscard]] Result<UniqueFd> listen_at(const IpAddress& address, Port port);
// One that listens already, to be as listen_at() makes them.
[[nodiscard]] Result<void> prepare_inherited(int fd);
[[nodiscard]] Result<Port> local_port(int fd);
[[nodiscard]] Result<Peer> local_address(int fd);

struct Accepted {
  UniqueFd fd;
  Peer client;
};
// errno values: EAGAIN when nobody waits, EMFILE, ENFILE, ENOBUFS, ENOMEM when the machine is out
// of something; others concern one connection that is gone already.
[[nodiscard]] Result<Accepted> accept_from(int listener);

// Where a connection that was translated here (nf_nat) wanted to go. ENOENT if it was not.
[[nodiscard]] Result<Peer> original_destination(int fd, Family family);

struct Connecting {
  std::optional<IpAddress> source;  // bear this address, which need not be ours (IP_TRANSPARENT)
  bool marked = true;               // kOwnMark; needs CAP_NET_ADMIN
};
// Begins to connect. The connection stands, or has failed, when the socket is writable.
[[nodiscard]] Result<UniqueFd> connect_to(const Peer& endpoint, const Connecting& how);

// Finds out when the peer is gone; what was accepted does so by itself.
void keep_alive(int fd);

// Bytes that the peer has not acknowledged yet.
[[nodiscard]] int unacknowledged(int fd);
// Closes with a reset; what was not sent yet is lost.
void reset(UniqueFd fd);

}  // namespace modes::userspace::tcp
