#include "modes/netfilter/conntrack_messages.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"

#include <netinet/in.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include <array>
#include <initializer_list>

namespace modes::netfilter {
namespace {

// Inside CTA_FILTER, and the bits of its values: in the kernel, but not in Debian 12's headers
// (linux/netfilter/nfnetlink_conntrack.h enum ctattr_filter, nf_internals.h of 5.8). Host order.
constexpr std::uint16_t kFilterOriginalFlags = 1;
constexpr std::uint16_t kFilterReplyFlags = 2;
constexpr std::uint32_t kMatchDestination = 1U << 1;
constexpr std::uint32_t kMatchProtocol = 1U << 3;
constexpr std::uint32_t kMatchDestinationPort = 1U << 5;

std::uint8_t kernel_family(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

std::array<std::byte, 2> big_endian(Port port) {
  return {static_cast<std::byte>(port.value >> 8), static_cast<std::byte>(port.value & 0xff)};
}

int conntrack_type(int message) {
  return NFNL_SUBSYS_CTNETLINK << 8 | message;
}

void put_filter(AttributeWriter& out, const ConntrackWalk& walk) {
  std::uint32_t match = kMatchProtocol;
  const auto tuple = out.open(CTA_TUPLE_ORIG);
  if (walk.destination) {
    match |= kMatchDestination;
    const auto ip = out.open(CTA_TUPLE_IP);
    out.put(walk.family == Family::v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, walk.destination->bytes());
    out.close(ip);
  }
  const auto protocol = out.open(CTA_TUPLE_PROTO);
  out.put_struct(CTA_PROTO_NUM, std::uint8_t{IPPROTO_UDP});
  if (walk.destination_port) {
    match |= kMatchDestinationPort;
    out.put(CTA_PROTO_DST_PORT, big_endian(*walk.destination_port));
  }
  out.close(protocol);
  out.close(tuple);
  const auto filter = out.open(CTA_FILTER);
  out.put_struct(kFilterOriginalFlags, match);
  out.put_struct(kFilterReplyFlags, std::uint32_t{0});
  out.close(filter);
}

void append_filtered(std::vector<std::byte>& out, int message, int flags, std::uint32_t sequence,
                     const ConntrackWalk& walk) {
  const auto at = open_nfnetlink_message(out, conntrack_type(message), flags, sequence,
                                         kernel_family(walk.family), 0);
  AttributeWriter attributes{out};
  put_filter(attributes, walk);
  close_message(out, at);
}

// One direction of a flow.
struct Tuple {
  std::optional<IpAddress> source;
  std::optional<IpAddress> destination;
  std::optional<Port> source_port;
  std::optional<Port> destination_port;
  bool is_udp = false;
};

std::optional<IpAddress> read_address(Family family, Bytes bytes) {
  if (bytes.size() != proxy::address_size(family)) return std::nullopt;
  return IpAddress::from_bytes(family, bytes);
}

std::optional<Port> read_port(Bytes bytes) {
  if (bytes.size() != 2) return std::nullopt;
  return Port{static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) << 8 |
                                         std::to_integer<unsigned>(bytes[1]))};
}

void read_addresses(Bytes attributes, Family family, Tuple& tuple) {
  const bool v4 = family == Family::v4;
  for_each_attribute(attributes, [&](const Attribute& attribute) {
    if (attribute.type == (v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC)) {
      tuple.source = read_address(family, attribute.payload);
    } else if (attribute.type == (v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST)) {
      tuple.destination = read_address(family, attribute.payload);
    }
  });
}

void read_protocol(Bytes attributes, Tuple& tuple) {
  for_each_attribute(attributes, [&](const Attribute& attribute) {
    if (attribute.type == CTA_PROTO_NUM) {
      tuple.is_udp =
          attribute.payload.size() == 1 && attribute.payload[0] == std::byte{IPPROTO_UDP};
    } else if (attribute.type == CTA_PROTO_SRC_PORT) {
      tuple.source_port = read_port(attribute.payload);
    } else if (attribute.type == CTA_PROTO_DST_PORT) {
      tuple.destination_port = read_port(attribute.payload);
    }
  });
}

Tuple read_tuple(Bytes attributes, Family family) {
  Tuple tuple;
  for_each_attribute(attributes, [&](const Attribute& attribute) {
    if (attribute.type == CTA_TUPLE_IP) read_addresses(attribute.payload, family, tuple);
    if (attribute.type == CTA_TUPLE_PROTO) read_protocol(attribute.payload, tuple);
  });
  return tuple;
}

}  // namespace

void append_conntrack_dump(std::vector<std::byte>& out, std::uint32_t sequence,
                           const ConntrackWalk& walk) {
  append_filtered(out, IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, sequence, walk);
}

void append_conntrack_delete(std::vector<std::byte>& out, std::uint32_t sequence,
                             const ConntrackWalk& walk) {
  append_filtered(out, IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, sequence, walk);
}

std::optional<TrackedFlow> parse_tracked_flow(const Message& message) {
  if (message.type != conntrack_type(IPCTNL_MSG_CT_NEW) || !message.has_nfgen()) {
    return std::nullopt;
  }
  const auto family = ip_family(message);
  if (!family) return std::nullopt;
  TrackedFlow tracked{};
  tracked.family = message.family();
  Tuple original;
  Tuple reply;
  for_each_attribute(message.attributes(), [&](const Attribute& attribute) {
    switch (attribute.type) {
      case CTA_TUPLE_ORIG:
        tracked.original = attribute.payload;
        original = read_tuple(attribute.payload, *family);
        break;
      case CTA_TUPLE_REPLY:
        reply = read_tuple(attribute.payload, *family);
        break;
      case CTA_ZONE:
        tracked.zone = attribute.payload;
        break;
      case CTA_ID:
        tracked.id = attribute.payload;
        break;
      default:
        break;
    }
  });
  if (!original.is_udp || !original.destination || !original.destination_port ||  //
      !reply.source || !reply.source_port || tracked.id.empty()) {
    return std::nullopt;
  }
  tracked.flow = {
      *original.destination, *original.destination_port, {*reply.source, *reply.source_port}};
  return tracked;
}

void append_conntrack_delete(std::vector<std::byte>& out, std::uint32_t sequence,
                             const TrackedFlow& flow) {
  const auto at = open_nfnetlink_message(out, conntrack_type(IPCTNL_MSG_CT_DELETE), NLM_F_REQUEST,
                                         sequence, flow.family, 0);
  AttributeWriter attributes{out};
  attributes.put(CTA_TUPLE_ORIG | NLA_F_NESTED, flow.original);
  if (!flow.zone.empty()) attributes.put(CTA_ZONE, flow.zone);
  attributes.put(CTA_ID, flow.id);
  close_message(out, at);
}

}  // namespace modes::netfilter
