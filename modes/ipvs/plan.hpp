// What to tell IPVS, so that its virtual servers become those that are wanted.
//
// Pure. Laws: plan(s, s) is empty; apply(plan(a, b), a) gives b, but for real servers that are not
// wanted any more and still have connections: those stay with weight 0 (apply's `busy`).
#pragma once

#include "modes/ipvs/virtual_server.hpp"

#include <functional>
#include <variant>
#include <vector>

namespace modes::ipvs {

struct AddVirtualServer {
  VirtualServerKey key;
  Scheduler scheduler;
  std::chrono::seconds persistence{0};
  friend bool operator==(const AddVirtualServer&, const AddVirtualServer&) = default;
};
struct ChangeVirtualServer {  // in place: connections and real servers stay
  VirtualServerKey key;
  Scheduler scheduler;
  std::chrono::seconds persistence{0};
  friend bool operator==(const ChangeVirtualServer&, const ChangeVirtualServer&) = default;
};
struct RemoveVirtualServer {  // with its real servers, whatever connections they have
  VirtualServerKey key;
  friend bool operator==(const RemoveVirtualServer&, const RemoveVirtualServer&) = default;
};
struct AddRealServer {
  VirtualServerKey key;
  Endpoint endpoint;
  friend bool operator==(const AddRealServer&, const AddRealServer&) = default;
};
struct RestoreRealServer {  // weight 1 and the usual way of forwarding, whatever it had
  VirtualServerKey key;
  Endpoint endpoint;
  friend bool operator==(const RestoreRealServer&, const RestoreRealServer&) = default;
};
// Weight 0: no new connections, open ones go on. Whoever applies it looks at its connections then,
// and removes it when there are none.
struct DrainRealServer {
  VirtualServerKey key;
  Endpoint endpoint;
  friend bool operator==(const DrainRealServer&, const DrainRealServer&) = default;
};
struct RemoveRealServer {
  VirtualServerKey key;
  Endpoint endpoint;
  friend bool operator==(const RemoveRealServer&, const RemoveRealServer&) = default;
};
using Step = std::variant<AddVirtualServer, ChangeVirtualServer, RemoveVirtualServer, AddRealServer,
                          RestoreRealServer, DrainRealServer, RemoveRealServer>;

[[nodiscard]] const VirtualServerKey& key_of(const Step& step);

// The steps from `actual` to `wanted`, of exactly those virtual servers that are in either. Within
// a virtual server what comes precedes what goes, so that it is never without a real server that it
// had and will have.
[[nodiscard]] std::vector<Step> plan(const VirtualServers& actual, const VirtualServers& wanted);

// Does the real server have connections?
using Busy = std::function<bool(const VirtualServerKey&, const Endpoint&)>;

// What the kernel has after a step that succeeded.
void apply(const Step& step, const Busy& busy, VirtualServers& to);

}  // namespace modes::ipvs
