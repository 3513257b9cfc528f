// A client and a server that do nothing but open TCP connections.
#pragma once

#include "proxy/ip_address.hpp"
#include "proxy/protocol.hpp"
#include "tests/netns/network_namespace.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace bench {

// Accepts on a port of every address of a namespace and closes what it has accepted, while it
// lives.
class AcceptingServer {
 public:
  AcceptingServer(const netns::NetworkNamespace& net, proxy::Port port);
  ~AcceptingServer();
  AcceptingServer(const AcceptingServer&) = delete;
  AcceptingServer& operator=(const AcceptingServer&) = delete;

 private:
  void serve();

  proxy::UniqueFd listener_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// Connections a second that the calling thread, in the namespace, opens to `to`: 64 under way at
// any time, each reset as soon as it stands. Ends the process when one is refused or fails
// otherwise.
[[nodiscard]] double connections_per_second(const netns::NetworkNamespace& net,
                                            const proxy::IpAddress& to, proxy::Port port,
                                            std::chrono::milliseconds duration);

}  // namespace bench
