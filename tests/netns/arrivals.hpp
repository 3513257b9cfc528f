// What arrived where: every first packet of a connection that a watched party received, as seen on
// its own network device. Says where a packet went whose answer takes another way, or never comes.
#pragma once

#include "tests/netns/socket_address.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace netns {

struct Arrival {
  Protocol protocol = Protocol::tcp;
  SocketAddress from;
  SocketAddress to;
};

// The arrival that an IP packet (from its IP header on) means; nullopt when it begins nothing:
// neither a TCP SYN, nor a UDP datagram, nor an SCTP INIT. IPv6 extension headers are not looked
// behind.
[[nodiscard]] std::optional<Arrival> arrival_of(std::span<const std::byte> packet);

// Shared between the thread that watches and those that probe.
class Arrivals {
 public:
  using Clock = std::chrono::steady_clock;

  void add(const Arrival& arrival);
  // Where a packet from `from` arrived; waits for it until `deadline`.
  [[nodiscard]] std::optional<SocketAddress> wait(Protocol protocol, const SocketAddress& from,
                                                  Clock::time_point deadline) const;

 private:
  [[nodiscard]] std::optional<SocketAddress> find(Protocol protocol,
                                                  const SocketAddress& from) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Arrival> arrivals_;  // guarded by mutex_
};

}  // namespace netns
