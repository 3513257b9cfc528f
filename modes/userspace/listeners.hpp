// The sockets that clients' packets reach, and what each of them means.
//
// Steered: for every worker one per protocol, family and Entrance; where a connection wanted to go
// is asked of the kernel. Direct: one per VIP that is an address of this machine.
#pragma once

#include "modes/userspace/settings.hpp"
#include "modes/userspace/steering/chains.hpp"
#include "proxy/result.hpp"
#include "proxy/unique_fd.hpp"

#include <vector>

namespace modes::userspace {

struct Listener {
  proxy::UniqueFd fd;
  Protocol protocol = Protocol::tcp;
  Family family = Family::v4;
  Entrance entrance = Entrance::inside;
  bool steered = true;  // false: what arrives was sent to the very address the socket has
  Port port{};          // not steered: the VIP's
};

// All listeners of one worker. `ports`: those of workers before it, or zeros, which are filled in.
[[nodiscard]] proxy::Result<std::vector<Listener>> open_steered_listeners(
    std::array<steering::Ports, proxy::kFamilies.size()>& ports);

// Of the families that this machine has.
[[nodiscard]] bool has_family(Family family);

}  // namespace modes::userspace
