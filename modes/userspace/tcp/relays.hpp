// The TCP connections of one worker: connects each client to an endpoint and relays between them.
//
//   begin ─► connecting ──connected──► relaying ──both ends──► gone
//               │  ▲                      │
//            refused, silent           a reset ─► draining ─► gone, the other side reset as well
//               └──┘ next candidate
//
// All sockets are in the worker's EventLoop, edge-triggered, each added once; a client's is changed
// once, when it first can't be written to. An idle connection costs a few dozen bytes here. Not
// thread-safe: belongs to its worker.
#pragma once

#include "modes/userspace/directory.hpp"
#include "modes/userspace/event_loop.hpp"
#include "modes/userspace/tallies.hpp"
#include "modes/userspace/tcp/stream.hpp"
#include "modes/userspace/tcp/tcp_socket.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace modes::userspace::tcp {

// A connection that has come in, and where it is to go.
struct Arrival {
  UniqueFd socket;
  Peer client;
  Vip vip;  // as the client addressed it
  Entrance entrance = Entrance::inside;
  ServicePtr service;
};

struct RelayCounts {
  std::uint64_t begun = 0;
  std::uint64_t retried = 0;    // connected only with another candidate than the first
  std::uint64_t unreached = 0;  // reset because no candidate could be connected to
  std::uint64_t reset = 0;      // ended by a reset of one side
  std::uint64_t bytes_in = 0;   // from clients
  std::uint64_t bytes_out = 0;  // from endpoints
};

struct RelaySettings {
  bool transparent = false;  // Entrance inside and outside: endpoints see the client's address
  bool marks = true;         // sets kOwnMark
  bool splices = true;
  std::chrono::milliseconds patience{1000};         // with an endpoint while there are others
  std::chrono::milliseconds last_patience{10'000};  // with the last one
};

class Relays {
 public:
  // The loop and the tallies outlive the relays.
  Relays(const RelaySettings& settings, EventLoop& loop, Tallies& tallies);
  ~Relays();
  Relays(const Relays&) = delete;
  Relays& operator=(const Relays&) = delete;

  // Connects to an endpoint of the service; resets the client if there is none.
  void begin(Arrival arrival);

  // An event of the loop that bears Watcher::relay.
  void handle(Token token, std::uint32_t events);
  // Goes on with those that had a turn and have more to do, a bounded amount each. To be called
  // after each batch of events; true if it has to be again at once.
  bool resume();

  // When expire() has something to do next.
  [[nodiscard]] std::optional<Clock::time_point> next_deadline() const;
  void expire(Clock::time_point now);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const RelayCounts& counts() const { return counts_; }
  // Resets all that are left.
  void abort_all();

 private:
  enum class Phase : std::uint8_t { free, connecting, relaying, draining };
  enum Side : std::uint8_t { client = 0, endpoint = 1 };
  // What is needed only until the connection stands.
  struct Setup {
    Arrival arrival;
    Candidates candidates;
    Tallies::Attempt attempt;
    Endpoint trying;
    bool retried = false;
  };
  struct Relay {
    std::array<End, 2> ends;        // by Side
    std::array<Stream, 2> streams;  // streams[s] moves from ends[s] to the other
    std::unique_ptr<Setup> setup;   // connecting
    Lease lease;
    Share share;                   // from connected() on
    std::uint32_t generation = 0;  // of the slot: events of earlier ones are told apart
    Phase phase = Phase::free;
    bool queued = false;  // in ready_
    Side dead = client;   // draining: whose connection was reset
  };
  static_assert(sizeof(Relay) <= 96, "what an idle connection costs");
  using Slot = std::uint32_t;
  struct Deadline {
    Clock::time_point at;
    Slot slot;
    std::uint32_t generation;
  };

  [[nodiscard]] Relay& at(Slot slot) { return (*blocks_[slot / kBlock])[slot % kBlock]; }
  [[nodiscard]] Slot allocate();
  [[nodiscard]] bool watch(Slot slot, Side side);
  void watch_client_for_writing(Slot slot);

  void try_next(Slot slot);
  [[nodiscard]] Connecting how_to_connect(const Setup& setup) const;
  void connected(Slot slot);
  void give_up(Slot slot);
  void missed(Setup& setup);
  void out_of_patience(Slot slot);

  void move(Slot slot);
  [[nodiscard]] Stream::State pump(Relay& relay, Side from);
  enum class Found : std::uint8_t { by_reading, by_writing };
  void fail(Slot slot, Side dead, Found how);
  [[nodiscard]] bool drain(Slot slot);  // true: it is gone
  void finish(Slot slot);
  void close(Relay& relay, Side side);
  void close_with_reset(Relay& relay, Side side);

  static constexpr std::size_t kBlock = 256;

  RelaySettings settings_;
  EventLoop& loop_;
  Tallies& tallies_;
  Workshop shop_;
  std::vector<std::unique_ptr<std::array<Relay, kBlock>>> blocks_;
  std::vector<Slot> free_;
  std::size_t size_ = 0;
  std::vector<Slot> ready_;  // had a turn and have more to do
  // In the order of time: each has one length of waiting.
  std::deque<Deadline> short_waits_, long_waits_, drains_;
  Clock::time_point drains_due_;  // when the drains are looked at again, if there are any
  RelayCounts counts_;
};

}  // namespace modes::userspace::tcp
