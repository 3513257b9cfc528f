// One thread of the proxy: its own listeners, connections, flows and copy of the directory.
//
// An EventLoop waits for all of it. The control thread talks to a worker by messages only.
#pragma once

#include "modes/userspace/descriptors.hpp"
#include "modes/userspace/directory.hpp"
#include "modes/userspace/listeners.hpp"
#include "modes/userspace/tallies.hpp"
#include "modes/userspace/tcp/relays.hpp"
#include "modes/userspace/udp/flows.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace modes::userspace {

using proxy::Result;

// What a worker has done up to now and holds.
struct WorkerFigures {
  std::size_t connections = 0;
  std::size_t flows = 0;
  tcp::RelayCounts tcp;
  udp::FlowCounts udp;
  std::uint64_t pauses = 0;  // of accepting, for want of descriptors
};

class Worker {
 public:
  struct Parts {
    const Settings& settings;
    Descriptors& descriptors;
    // Called on the worker's thread.
    std::function<void(std::string)> warn;
  };

  // Begins its thread, which accepts as soon as it has services. Fails when sockets can't be made.
  [[nodiscard]] static Result<std::unique_ptr<Worker>> start(const Parts& parts,
                                                             std::vector<Listener> listeners);
  // Resets what connections are left and ends the thread.
  ~Worker();

  // Messages: `done`, if there is one, is called on the worker's thread when it is so.
  using Done = std::function<void()>;
  using Changes = std::shared_ptr<const std::vector<DirectoryChange>>;
  void put(Changes changes, Done done);   // what is new, before it is steered here
  void drop(Changes changes, Done done);  // what is old, when it is steered here no more
  void add_listeners(std::vector<Listener> listeners, Done done);
  // Those at this address, port and protocol; 0.0.0.0 and :: are addresses like others.
  void remove_listeners(std::vector<Vip> at, Done done);
  void stop_accepting(Done done);
  // Its listeners: first TCP's, which all workers share, then UDP's.
  struct Sockets {
    std::vector<int> tcp;
    std::vector<int> udp;
  };
  void tell_sockets(std::function<void(Sockets)> answer);
  void ask(std::function<void(const WorkerFigures&)> answer);
  // What it has carried for each of these, in their order; some microseconds of its time for each.
  using ServicesAsked = std::shared_ptr<const std::vector<ServicePtr>>;
  void ask_traffic(ServicesAsked services, std::function<void(std::vector<ServiceTally>)> answer);

 private:
  struct Impl;
  explicit Worker(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace modes::userspace
