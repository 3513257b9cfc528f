// The sockets that clients' packets reach, and what each of them means.
//
// Steered: one per protocol, family and Entrance; where a connection wanted to go is asked of the
// kernel. Direct: one per VIP that is an address of this machine. TCP's are shared by all workers,
// so that who is free takes the next connection; of UDP's each worker has its own, over which the
// kernel spreads clients, each to one worker.
#pragma once

#include "modes/userspace/service.hpp"
#include "modes/userspace/settings.hpp"
#include "modes/userspace/steering/chains.hpp"
#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <optional>
#include <vector>

namespace modes::userspace {

struct Listener {
  proxy::UniqueFd fd{};
  Protocol protocol = Protocol::tcp;
  Family family = Family::v4;
  Entrance entrance = Entrance::inside;
  bool steered = true;  // false: what arrives was sent to the very address the socket has
  IpAddress address{};  // not steered: the VIP
  Port port{};
};

// A list for each worker.
using ListenersOfWorkers = std::vector<std::vector<Listener>>;

// Listeners for all that is steered; `ports` tells where they are.
[[nodiscard]] proxy::Result<ListenersOfWorkers> open_steered_listeners(
    std::size_t workers, std::array<steering::Ports, proxy::kFamilies.size()>& ports);

// Sockets that listened before this process did (proxy/host/successor.hpp).
class InheritedSockets {
 public:
  InheritedSockets() = default;
  explicit InheritedSockets(std::vector<proxy::UniqueFd> fds) : fds_{std::move(fds)} {}
  // One that is at `place`, by its address and protocol.
  [[nodiscard]] std::optional<proxy::UniqueFd> take(const Vip& place);
  // Closes what nobody took.
  void clear() { fds_.clear(); }

 private:
  std::vector<proxy::UniqueFd> fds_;
};

// Listeners for one VIP that is an address of this machine, added to `out`, which has the lists of
// all workers and is left as it is when this fails. Goes on with what was inherited for that place.
[[nodiscard]] proxy::Result<void> listen_directly(const Vip& place, InheritedSockets& inherited,
                                                  ListenersOfWorkers& out);

// Of the families that this machine has.
[[nodiscard]] bool has_family(Family family);

}  // namespace modes::userspace
