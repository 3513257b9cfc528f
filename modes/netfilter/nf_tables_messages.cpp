#include "modes/netfilter/nf_tables_messages.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace modes::netfilter {
namespace {

constexpr std::int32_t kMaxErrno = 4095;  // linux/err.h MAX_ERRNO

}  // namespace

std::size_t open_nfnetlink_message(std::vector<std::byte>& out, int type, int flags,
                                   std::uint32_t sequence, std::uint8_t family,
                                   std::uint16_t resource) {
  const auto at = out.size();
  nlmsghdr header{};
  header.nlmsg_type = static_cast<__u16>(type);
  header.nlmsg_flags = static_cast<__u16>(flags);
  header.nlmsg_seq = sequence;
  const nfgenmsg generic{family, NFNETLINK_V0, __builtin_bswap16(resource)};
  out.resize(at + sizeof(header) + sizeof(generic));
  std::memcpy(out.data() + at, &header, sizeof(header));
  std::memcpy(out.data() + at + sizeof(header), &generic, sizeof(generic));
  return at;
}

std::size_t open_nf_tables_message(std::vector<std::byte>& out, int type, int flags,
                                   std::uint32_t sequence, proxy::Family family) {
  return open_nfnetlink_message(out, NFNL_SUBSYS_NFTABLES << 8 | type, flags, sequence,
                                family == proxy::Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, 0);
}

void close_message(std::vector<std::byte>& out, std::size_t at) {
  const auto length = static_cast<std::uint32_t>(out.size() - at);
  std::memcpy(out.data() + at, &length, sizeof(length));
}

int nf_tables_type(const Message& message) {
  if (message.type >> 8 != NFNL_SUBSYS_NFTABLES || !message.has_nfgen()) return -1;
  return message.type & 0xff;
}

std::optional<proxy::Family> ip_family(const Message& message) {
  if (message.family() == NFPROTO_IPV4) return proxy::Family::v4;
  if (message.family() == NFPROTO_IPV6) return proxy::Family::v6;
  return std::nullopt;
}

std::optional<Acknowledgement> parse_acknowledgement(const Message& message) {
  std::int32_t error = 0;
  constexpr std::size_t kHeader = sizeof(error) + sizeof(nlmsghdr);  // struct nlmsgerr
  if (message.type != NLMSG_ERROR || message.body.size() < sizeof(error)) return std::nullopt;
  std::memcpy(&error, message.body.data(), sizeof(error));
  // A negated errno; what is none of these (a fuzzer's) is a failure all the same.
  Acknowledgement ack{error > 0 || error < -kMaxErrno ? EPROTO : -error, {}};
  if ((message.flags & NLM_F_ACK_TLVS) != 0 && (message.flags & NLM_F_CAPPED) != 0 &&
      message.body.size() > kHeader) {
    for_each_attribute(message.body.subspan(kHeader), [&](const Attribute& attribute) {
      if (attribute.type == NLMSGERR_ATTR_MSG) ack.text = attribute.text();
    });
  }
  return ack;
}

}  // namespace modes::netfilter
