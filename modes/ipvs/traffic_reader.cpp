#include "modes/ipvs/traffic_reader.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace modes::ipvs {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// How long is read until others have their turn.
constexpr std::chrono::milliseconds kTurn{1};

TrafficCounts counts_of(const Statistics& statistics) {
  return {.connections = statistics.connections,
          .bytes_in = statistics.bytes_in,
          .bytes_out = statistics.bytes_out};
}

// Of UDP IPVS calls every flow inactive that it remembers; of the others those that are ending.
std::uint64_t open_connections(const ObservedRealServer& real, Protocol protocol) {
  return std::uint64_t{real.active} + (protocol == Protocol::udp ? real.inactive : 0);
}

// The sum over endpoints would lose those that have left.
void add(const ObservedVirtualServer& server, Protocol protocol, Traffic& to) {
  to.total += counts_of(server.statistics);
  for (const auto& real : server.real_servers) {
    auto counts = counts_of(real.statistics);
    counts.open = open_connections(real, protocol);
    to.endpoints[real.server.endpoint] += counts;
    to.total += {.open = counts.open};
  }
}

}  // namespace

Awaitable<std::vector<Traffic>> TrafficReader::read(const Holdings& holdings,
                                                    std::span<const ServicePortName> names) {
  std::vector<Traffic> out(names.size());
  if (!kernel_) {
    auto opened = open_();
    if (!opened) co_return out;
    kernel_ = std::move(*opened);
  }
  auto until = Clock::now() + kTurn;
  for (std::size_t i = 0; i < names.size(); ++i) {
    Traffic sum;
    bool known = true;
    const auto keys = holdings.servers_of(names[i]);
    for (const auto& key : keys) {
      if (holdings.servers.find(key) != names[i]) continue;
      const auto server = kernel_->look(key);
      known = known && server;
      if (server && *server) add(**server, names[i].protocol, sum);
      if (Clock::now() < until) continue;
      co_await asio::post(asio::use_awaitable);
      until = Clock::now() + kTurn;
    }
    if (known) out[i] = std::move(sum);
  }
  co_return out;
}

}  // namespace modes::ipvs
