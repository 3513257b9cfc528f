// The UDP flows of one worker: who talks to which VIP, and which endpoint answers.
//
//   client ─► listener ─► flow (client, VIP) ─► its own socket ─► endpoint
//   client ◄─ sender, from the VIP ◄──────────── its own socket ◄─ endpoint
//
// A flow begins with a client's datagram and ends when nothing was heard for the idle time, when
// its endpoint stops serving, or when the table is full and it is the one that was quiet longest.
// Sockets are in one epoll set; whoever owns this awaits fd() and calls turn(). Not thread-safe.
#pragma once

#include "modes/userspace/descriptors.hpp"
#include "modes/userspace/directory.hpp"
#include "modes/userspace/listeners.hpp"
#include "modes/userspace/tallies.hpp"
#include "modes/userspace/udp/datagrams.hpp"
#include "modes/userspace/udp/udp_socket.hpp"

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

namespace modes::userspace::udp {

struct FlowCounts {
  std::uint64_t begun = 0;
  std::uint64_t evicted = 0;    // to make room, before their time
  std::uint64_t moved = 0;      // to another endpoint: theirs refused or stopped serving
  std::uint64_t unserved = 0;   // datagrams for which there was no endpoint, socket or buffer
  std::uint64_t bytes_in = 0;   // payload, from clients
  std::uint64_t bytes_out = 0;  // from endpoints
};

struct FlowSettings {
  const Settings* settings = nullptr;  // for listeners that nothing steers to
  bool transparent = false;  // Entrance inside and outside: endpoints see the client's address
  bool marks = true;         // sets kOwnMark
  bool sends_raw = true;     // answers come from VIPs by a sender; false: by the listener itself
  std::chrono::seconds idle{60};
  std::size_t limit = 4096;  // flows
};

class Flows {
 public:
  // What is referred to outlives the flows.
  [[nodiscard]] static Result<std::unique_ptr<Flows>> open(const FlowSettings& settings,
                                                           const Directory& directory,
                                                           Descriptors& descriptors,
                                                           Tallies& tallies);
  ~Flows();
  Flows(const Flows&) = delete;
  Flows& operator=(const Flows&) = delete;

  // Reads from this listener until ignore(). It outlives the flows or is ignored before.
  [[nodiscard]] Result<void> listen(const Listener& listener);
  void ignore(const Listener& listener);

  [[nodiscard]] int fd() const { return epoll_.get(); }
  bool turn();  // true if there is more at once

  // Services have changed: flows look at theirs anew when they next move.
  void services_changed() { ++epoch_; }

  [[nodiscard]] std::optional<Clock::time_point> next_deadline() const;
  void expire(Clock::time_point now);

  [[nodiscard]] std::size_t size() const { return by_key_.size(); }
  [[nodiscard]] const FlowCounts& counts() const { return counts_; }

 private:
  struct Key {
    Peer client;
    Peer vip;
    Entrance entrance = Entrance::inside;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      const std::hash<IpAddress> hash;
      return hash(key.client.address) ^ hash(key.vip.address) * 31 ^
             (static_cast<std::size_t>(key.client.port.value) << 16 | key.vip.port.value) *
                 0x9e3779b97f4a7c15;
    }
  };
  struct Flow {
    Key key;
    int listener = -1;  // the descriptor it came by
    UniqueFd socket;    // connected to the endpoint
    ServicePtr service;
    Endpoint endpoint;
    Candidates others;  // to try when the endpoint refuses
    Lease lease;
    Share share;
    Clock::time_point heard;  // of either side
    std::uint64_t epoch = 0;
  };
  using FlowList = std::list<Flow>;  // the one heard of longest ago first

  Flows(const FlowSettings& settings, const Directory& directory, Descriptors& descriptors,
        Tallies& tallies);

  void receive_from_clients(const Listener& listener);
  void receive_from_endpoint(Flow& flow);
  [[nodiscard]] Flow* flow_for(const Key& key, int listener);
  [[nodiscard]] bool still_served(Flow& flow);
  [[nodiscard]] bool begin(Flow& flow);
  [[nodiscard]] bool next_endpoint(Flow& flow);
  void send(Flow& flow, std::span<Datagram> datagrams);
  void answer(Flow& flow, std::span<const Datagram> datagrams);
  void heard(FlowList::iterator flow);
  void end(FlowList::iterator flow);

  FlowSettings settings_;
  const Directory& directory_;
  Descriptors& descriptors_;
  Tallies& tallies_;
  UniqueFd epoll_;
  std::array<UniqueFd, proxy::kFamilies.size()> senders_;
  Receiver receiver_;
  FlowList flows_;
  std::unordered_map<Key, FlowList::iterator, KeyHash> by_key_;
  std::unordered_map<int, FlowList::iterator> by_socket_;
  std::unordered_map<int, const Listener*> listeners_;
  std::uint64_t epoch_ = 0;
  Clock::time_point now_;
  FlowCounts counts_;
};

}  // namespace modes::userspace::udp
