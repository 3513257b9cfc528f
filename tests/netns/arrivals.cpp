#include "tests/netns/arrivals.hpp"

#include <algorithm>
#include <ranges>

namespace netns {
namespace {

// Byte offsets (RFC 791, RFC 8200, RFC 9293, RFC 9260).
constexpr std::size_t kV4Protocol = 9, kV4Source = 12, kV4Destination = 16, kV4Smallest = 20;
constexpr std::size_t kV6Protocol = 6, kV6Source = 8, kV6Destination = 24, kV6Size = 40;
constexpr std::size_t kTcpFlags = 13, kSctpChunk = 12;
constexpr unsigned kSyn = 0x02, kAck = 0x10, kInit = 1;

unsigned byte_at(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<unsigned>(bytes[at]);
}

Port port_at(std::span<const std::byte> bytes, std::size_t at) {
  return Port{static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1))};
}

std::optional<Arrival> begins(unsigned protocol, const IpAddress& source,
                              const IpAddress& destination, std::span<const std::byte> transport) {
  Arrival result;
  if (transport.size() < 8) return std::nullopt;
  switch (protocol) {
    case unsigned{6}:
      if (transport.size() <= kTcpFlags) return std::nullopt;
      if ((byte_at(transport, kTcpFlags) & (kSyn | kAck)) != kSyn) return std::nullopt;
      result.protocol = Protocol::tcp;
      break;
    case unsigned{17}:
      result.protocol = Protocol::udp;
      break;
    case unsigned{132}:
      if (transport.size() <= kSctpChunk || byte_at(transport, kSctpChunk) != kInit)
        return std::nullopt;
      result.protocol = Protocol::sctp;
      break;
    default:
      return std::nullopt;
  }
  result.from = {.ip = source, .port = port_at(transport, 0)};
  result.to = {.ip = destination, .port = port_at(transport, 2)};
  return result;
}

}  // namespace

std::optional<Arrival> arrival_of(std::span<const std::byte> packet) {
  if (packet.empty()) return std::nullopt;
  const auto version = byte_at(packet, 0) >> 4;
  if (version == 4 && packet.size() >= kV4Smallest) {
    const std::size_t header = (byte_at(packet, 0) & 0x0f) * std::size_t{4};
    if (header < kV4Smallest || header > packet.size()) return std::nullopt;
    return begins(byte_at(packet, kV4Protocol),
                  IpAddress::from_bytes(Family::v4, packet.subspan(kV4Source, 4)),
                  IpAddress::from_bytes(Family::v4, packet.subspan(kV4Destination, 4)),
                  packet.subspan(header));
  }
  if (version == 6 && packet.size() >= kV6Size) {
    return begins(byte_at(packet, kV6Protocol),
                  IpAddress::from_bytes(Family::v6, packet.subspan(kV6Source, 16)),
                  IpAddress::from_bytes(Family::v6, packet.subspan(kV6Destination, 16)),
                  packet.subspan(kV6Size));
  }
  return std::nullopt;
}

void Arrivals::add(const Arrival& arrival) {
  {
    const std::lock_guard lock{mutex_};
    arrivals_.push_back(arrival);
  }
  changed_.notify_all();
}

std::optional<SocketAddress> Arrivals::wait(Protocol protocol, const SocketAddress& from,
                                            Clock::time_point deadline) const {
  std::unique_lock lock{mutex_};
  std::optional<SocketAddress> found;
  changed_.wait_until(lock, deadline, [&] { return (found = find(protocol, from)).has_value(); });
  return found;
}

std::optional<SocketAddress> Arrivals::find(Protocol protocol, const SocketAddress& from) const {
  // Newest first: source ports are used again after some ten thousand probes.
  for (const auto& arrival : arrivals_ | std::views::reverse) {
    if (arrival.protocol == protocol && arrival.from == from) return arrival.to;
  }
  return std::nullopt;
}

}  // namespace netns
