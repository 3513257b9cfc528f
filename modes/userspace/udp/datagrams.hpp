// Datagrams in batches: recvmmsg(2) and sendmmsg(2), and the UDP header of those that we send from
// addresses that are not ours (RFC 768).
#pragma once

#include "modes/userspace/settings.hpp"
#include "modes/userspace/socket_address.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace modes::userspace::udp {

inline constexpr std::size_t kBatch = 32;

struct Datagram {
  std::span<std::byte> payload;
  std::optional<Peer> from;  // absent on connected sockets
  // Where it was sent to: by TPROXY with its port, else the address alone.
  std::optional<Peer> to;
};

// Receives up to kBatch datagrams at a time, into its own memory.
class Receiver {
 public:
  Receiver();
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  // What was received, valid until the next call; empty if nothing waits. `error`: errno, 0, or
  // EAGAIN. ECONNREFUSED: an ICMP error answered something sent before.
  [[nodiscard]] std::span<Datagram> receive(int fd, int& error);

 private:
  struct Room;
  std::unique_ptr<Room> room_;
};

// Over a connected socket, in order. Returns how many were sent; `error` as above.
std::size_t send_connected(int fd, std::span<const Datagram> datagrams, int& error);

// From `source`, which need not be ours, over a raw sender.
void send_from(int sender, const Peer& source, const Peer& to, std::span<const Datagram> datagrams);
// From an address that the socket has.
void send_by_listener(int fd, const IpAddress& source, const Peer& to,
                      std::span<const Datagram> datagrams);

}  // namespace modes::userspace::udp
