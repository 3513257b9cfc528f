// Whatever the kernel is said to have sent: reading it never leaves the bytes, and what is sent
// back to delete a flow names that flow and nothing more.
#include "modes/netfilter/conntrack_messages.hpp"

#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cstdlib>

using namespace modes::netfilter;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_request(Bytes request, const TrackedFlow& flow) {
  std::size_t messages = 0;
  bool has_tuple = false;
  bool has_id = false;
  for_each_message(request, [&](const Message& message) {
    ++messages;
    require(message.has_nfgen() && message.family() == flow.family);
    for_each_attribute(message.attributes(), [&](const Attribute& it) {
      has_tuple =
          has_tuple || (it.type == CTA_TUPLE_ORIG && std::ranges::equal(it.payload, flow.original));
      has_id = has_id || (it.type == CTA_ID && std::ranges::equal(it.payload, flow.id));
    });
  });
  require(messages == 1 && has_tuple && has_id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes datagram = std::as_bytes(std::span{data, size});
  for_each_message(datagram, [&](const Message& message) {
    const auto flow = parse_tracked_flow(message);
    if (!flow) return;
    require(flow->flow.destination.family() == flow->flow.replier.address.family());
    std::vector<std::byte> request;
    append_conntrack_delete(request, 1, *flow);
    check_request(request, *flow);
  });
  return 0;
}
