#include "tests/netns/control_pod.hpp"

#include "tests/netns/probe.hpp"

namespace netns {

SocketAddress control_pod(Family family) {
  return {address(family == Family::v4 ? "10.180.0.250" : "fd00:10:180::250"), Port{7}};
}

bool control_pod_answers(Party& client, const IpAddress& from) {
  if (from.is_loopback()) return true;  // never leaves node-a, and can go nowhere by itself
  const auto outcomes = run(Probe{.client = &client,
                                  .from = from,
                                  .to = control_pod(from.family()),
                                  .protocol = Protocol::tcp});
  return outcomes.front().kind == Outcome::Kind::answered;
}

}  // namespace netns
