// The messages of ctnetlink that cleaning needs, as bytes and back
// (linux/netfilter/nfnetlink_conntrack.h).
//
// Pure. UDP only: nothing here can name, match or delete a flow of another protocol.
#pragma once

#include "modes/netfilter/attribute_reader.hpp"
#include "modes/netfilter/conntrack_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace modes::netfilter {

// Appends the request for every flow that the walk's filter lets through. A kernel before 5.8 knows
// no filter and sends all it has.
void append_conntrack_dump(std::vector<std::byte>& out, std::uint32_t sequence,
                           const ConntrackWalk& walk);

// Appends the request to delete all of them. A kernel before 6.12 knows no filter here and answers
// EINVAL, since the flow that the request names is not complete; no kernel takes it for a request
// to delete the whole table, which is one that names no flow.
void append_conntrack_delete(std::vector<std::byte>& out, std::uint32_t sequence,
                             const ConntrackWalk& walk);

// A flow as the kernel told it. What names it is kept as it came, to be sent back; it points into
// the message.
struct TrackedFlow {
  UdpFlow flow;
  Bytes original;       // payload of CTA_TUPLE_ORIG
  Bytes zone;           // payload of CTA_ZONE, empty: not in a zone
  Bytes id;             // payload of CTA_ID: a later flow of the same addresses has another
  std::uint8_t family;  // nfgenmsg's
};
// nullopt for anything but a tracked UDP flow of IPv4 or IPv6 that has all of this.
[[nodiscard]] std::optional<TrackedFlow> parse_tracked_flow(const Message& message);

// Appends the request to delete exactly this flow: ENOENT if it, or its id, is gone.
void append_conntrack_delete(std::vector<std::byte>& out, std::uint32_t sequence,
                             const TrackedFlow& flow);

}  // namespace modes::netfilter
