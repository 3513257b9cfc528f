// Where a worker turns for what the zone does not have: the cache, and whoever asks upstreams.
//
// The contract between serving and forwarding. A worker calls both functions from its own thread,
// inside its epoch; neither waits.
#pragma once

#include "dns/responder.hpp"
#include "dns/serve/udp_socket.hpp"

#include <cstdint>
#include <functional>

namespace dns::serve {

// A client whose question is on its way to an upstream. UDP.
struct UdpQuestion {
  int fd = -1;  // the worker's socket, which outlives whoever answers
  ReplyPath path;
  Bytes query;  // valid during the call only
};

class Outside {
 public:
  virtual ~Outside() = default;

  enum class Hit : std::uint8_t {
    none,       // nothing usable is known: ask()
    answered,   // exchange.response holds the answer, to be finished
    next_step,  // autopath: `exchange.ask` does not exist; respond() again
  };
  // Completes exchange.response from what is known about exchange.ask. `now` is the steady clock,
  // nanoseconds.
  virtual Hit look_up(Exchange& exchange, std::int64_t now) = 0;

  // Hands the client's query over. False if there are too many already: it is to be told so.
  virtual bool ask(const Exchange& exchange, const Asking& asking, const UdpQuestion& question) = 0;

  // The same for a client on a stream. Called on the thread that asks upstreams; `done` is called
  // there, once, later, with the reply; the client may be gone by then.
  virtual bool ask(const Exchange& exchange, const Asking& asking, Bytes query,
                   std::function<void(Bytes reply)> done) = 0;
};

}  // namespace dns::serve
