#include "tests/netns/probe.hpp"

#include "tests/netns/probe_socket.hpp"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

namespace netns {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Source ports are given one after another, not left to the kernel: one that comes again while
// conntrack still remembers it would meet the old translation. The range is free of node ports, of
// ephemeral ports and of the daemon's own.
Port next_source_port() {
  constexpr unsigned kFirst = 12000, kCount = 17000;
  static std::atomic<unsigned> taken{0};
  return Port{static_cast<std::uint16_t>(kFirst + taken++ % kCount)};
}

using Sockets = std::vector<std::unique_ptr<ProbeSocket>>;

Sockets start(const Probe& probe) {
  const Inside inside{probe.client->net};
  Sockets sockets;
  for (int i = 0; i < probe.count; ++i) {
    const SocketAddress from{probe.from, probe.source_port.value_or(next_source_port())};
    sockets.push_back(
        make_probe_socket(probe.protocol, from, probe.to, probe.connecting_is_enough));
    sockets.back()->start();
  }
  return sockets;
}

// Drives the sockets until all have an outcome or the deadline has passed.
void drive(const std::vector<ProbeSocket*>& sockets, Clock::time_point deadline) {
  while (true) {
    std::vector<pollfd> waiting;
    std::vector<ProbeSocket*> owners;
    for (auto* socket : sockets) {
      if (socket->outcome()) continue;
      waiting.push_back({.fd = socket->fd(), .events = socket->events(), .revents = 0});
      owners.push_back(socket);
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (waiting.empty() || left.count() <= 0) return;
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left.count())) <= 0) continue;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents != 0) owners[i]->on_ready();
    }
  }
}

// The same, and an arrival at a one-way destination ends the waiting too. Arrivals are nothing that
// poll(2) could wait for, so they are looked at now and then.
void await_outcomes(const Sockets& sockets, const Probe& probe, Clock::time_point deadline) {
  constexpr milliseconds kLook{20};
  std::vector<ProbeSocket*> waiting;
  for (const auto& socket : sockets) waiting.push_back(socket.get());
  while (!waiting.empty() && Clock::now() < deadline) {
    drive(waiting, probe.one_way.empty() ? deadline : std::min(deadline, Clock::now() + kLook));
    std::erase_if(waiting, [&](const ProbeSocket* socket) {
      if (socket->outcome() || probe.arrivals == nullptr) return socket->outcome().has_value();
      const auto at = probe.arrivals->wait(probe.protocol, socket->source(), Clock::now());
      return at && probe.one_way.contains(*at);
    });
  }
}

Outcome outcome_of(const ProbeSocket& socket, const Probe& probe) {
  if (socket.outcome()) return *socket.outcome();
  if (probe.arrivals == nullptr) return {};
  const auto at = probe.arrivals->wait(probe.protocol, socket.source(), Clock::now());
  if (!at) return {};
  return {.kind = Outcome::Kind::arrived,
          .report = {.party = {}, .at = *at, .saw = socket.source()}};
}

}  // namespace

std::string Outcome::text() const {
  const auto delivery = [this] { return report.at.text() + ", which saw " + report.saw.ip.text(); };
  switch (kind) {
    case Kind::answered:
      return "answered by " + report.party + " at " + delivery();
    case Kind::connected:
      return "connected, but nobody said who it was";
    case Kind::reset:
      return "refused by a TCP reset";
    case Kind::unreachable:
      return "ICMP error, type " + std::to_string(icmp_type) + " code " + std::to_string(icmp_code);
    case Kind::arrived:
      return "without an answer, but arrived at " + delivery();
    case Kind::silent:
      return "without any answer";
    case Kind::failed:
      return "not sent: " + std::system_category().message(error);
  }
  return {};
}

bool is_port_unreachable(const Outcome& outcome, Family family) {
  const std::uint8_t type = family == Family::v4 ? 3 : 1;
  const std::uint8_t code = family == Family::v4 ? 3 : 4;
  return outcome.kind == Outcome::Kind::unreachable && outcome.icmp_type == type &&
         outcome.icmp_code == code;
}

std::vector<Outcome> run(const Probe& probe) {
  const auto sockets = start(probe);
  auto deadline = Clock::now() + probe.patience;
  if (probe.control) {
    if (!probe.control()) throw LabError{"nothing reaches " + probe.to.text() + "'s node at all"};
    deadline = Clock::now() + probe.grace;
  }
  await_outcomes(sockets, probe, deadline);

  std::vector<Outcome> outcomes;
  for (const auto& socket : sockets) outcomes.push_back(outcome_of(*socket, probe));
  return outcomes;
}

}  // namespace netns
