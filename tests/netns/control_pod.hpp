// A pod of node-a that no scenario uses, with one TCP endpoint: a fixed point for the lab itself.
#pragma once

#include "tests/netns/socket_address.hpp"
#include "tests/netns/topology.hpp"

namespace netns {

[[nodiscard]] SocketAddress control_pod(Family family);

// Connects from `from` to the control pod by the pod's own address, which nobody translates: true
// shows that the way from that client through node-a is open, and that what was sent before has
// been dealt with. Requires somebody to serve control_pod(). Throws LabError.
[[nodiscard]] bool control_pod_answers(Party& client, const IpAddress& from);

}  // namespace netns
