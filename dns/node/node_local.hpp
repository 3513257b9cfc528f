// Makes addresses this node's own for DNS, as NodeLocal DNSCache does: usually that of the
// cluster's DNS service.
//
// An address is put on the loopback link, so that packets to it stay on the node, and queries to it
// are let past connection tracking (claim.hpp). Neither the service's rules nor a race between two
// queries of one port can get in their way. When it ends, clients fall back to the service.
#pragma once

#include "dns/node/claim.hpp"
#include "proxy/result.hpp"

namespace dns::node {

using proxy::Result;

class NodeLocal {
 public:
  explicit NodeLocal(Claim claim) : claim_{std::move(claim)} {}

  // First the rules, then the addresses: whoever can be reached is reached without tracking.
  // Sockets listen already. What a process before left behind is taken over. Fails with what the
  // kernel says; nothing stays then.
  [[nodiscard]] Result<void> take();

  // Ends in two steps, and only if no other process has taken over meanwhile. First new queries go
  // the way to the service again, while replies still leave from the addresses; then these go, too.
  [[nodiscard]] Result<void> turn_away();
  [[nodiscard]] Result<void> leave();

 private:
  Claim claim_;
  std::vector<proxy::IpAddress> added_;  // not those that others had put there
  bool holds_ = false;
};

// Takes away what a process that is no more has left; false if there was nothing.
[[nodiscard]] Result<bool> remove_leftovers();

}  // namespace dns::node
