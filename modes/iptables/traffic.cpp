#include "modes/iptables/traffic.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace modes::iptables {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// How long is read until others have their turn.
constexpr std::chrono::milliseconds kTurn{1};

void add(const std::vector<netfilter::TranslationCount>& counts, Traffic& to) {
  for (const auto& [endpoint, connections] : counts) {
    const TrafficCounts more{.connections = connections};
    to.total += more;
    to.endpoints[endpoint] += more;
  }
}

}  // namespace

Awaitable<std::vector<Traffic>> TrafficReader::read(const Planner& planner,
                                                    std::span<const ServicePortName> names) {
  std::vector<Traffic> out(names.size());
  if (!counts_) {
    auto opened = netfilter::TranslationCounts::open();
    if (!opened) co_return out;
    counts_.emplace(std::move(*opened));
  }
  auto until = Clock::now() + kTurn;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto counting = planner.counting_chains_of(names[i]);
    if (!counting) continue;
    Traffic sum{.total = {.connections = 0}, .endpoints = {}, .since = counting->written};
    bool known = true;
    for (const auto& chain : counting->chains) {
      const auto counts = counts_->read({names[i].family, netfilter::Table::nat, chain});
      known = known && counts;
      if (counts) add(*counts, sum);
      if (Clock::now() < until) continue;
      co_await asio::post(asio::use_awaitable);
      until = Clock::now() + kTurn;
    }
    if (known) out[i] = std::move(sum);
  }
  co_return out;
}

}  // namespace modes::iptables
