#include "dns/node/claim.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>

#include <array>
#include <string_view>

namespace dns::node {

namespace {

using modes::netfilter::AttributeWriter;
using modes::netfilter::Message;
using proxy::Family;
using proxy::config::SocketAddress;

constexpr std::array<std::uint8_t, 2> kProtocols{IPPROTO_UDP, IPPROTO_TCP};
constexpr std::string_view kPrerouting = "prerouting", kOutput = "output";

// User data is a list of type, length and value, a byte each for the first two (libnftnl); type 0
// is the comment that nft shows.
constexpr std::uint8_t kComment = 0, kOwner = 0x80, kV4 = 0x81, kV6 = 0x82;
constexpr std::string_view kCommentText = "viaduct: DNS is answered on this node";

enum class Side : std::uint8_t { source, destination };

// Byte offsets: RFC 791 §3.1, RFC 8200 §3; ports: RFC 768, RFC 9293 §3.1.
std::uint32_t address_offset(Family family, Side side) {
  if (family == Family::v4) return side == Side::source ? 12 : 16;
  return side == Side::source ? 8 : 24;
}
std::uint32_t port_offset(Side side) {
  return side == Side::source ? 0 : 2;
}

template <class T>
std::span<const std::byte> raw(const T& value) {
  return std::as_bytes(std::span{&value, 1});
}

class Batch {
 public:
  explicit Batch(std::uint32_t sequence) : sequence_{sequence} { frame(NFNL_MSG_BATCH_BEGIN); }
  std::vector<std::byte> finish() && {
    frame(NFNL_MSG_BATCH_END);
    return std::move(bytes_);
  }

  template <class Fill>
  void message(int type, int flags, Fill fill) {
    const auto at = modes::netfilter::open_nfnetlink_message(
        bytes_, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_REQUEST | NLM_F_ACK | flags, sequence_++,
        NFPROTO_INET, 0);
    AttributeWriter out{bytes_};
    fill(out);
    modes::netfilter::close_message(bytes_, at);
  }

  void table(int type, int flags, std::span<const std::byte> user_data = {}) {
    message(type, flags, [&](AttributeWriter& out) {
      out.put_text(NFTA_TABLE_NAME, kTable);
      if (!user_data.empty()) out.put(NFTA_TABLE_USERDATA, user_data);
    });
  }

  void chain(std::string_view name, std::uint32_t hook) {
    message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&](AttributeWriter& out) {
      out.put_text(NFTA_CHAIN_TABLE, kTable);
      out.put_text(NFTA_CHAIN_NAME, name);
      out.put_text(NFTA_CHAIN_TYPE, "filter");
      const auto where = out.open(NFTA_CHAIN_HOOK);
      out.put_be32(NFTA_HOOK_HOOKNUM, hook);
      // Before connection tracking looks at the packet, as the raw table of iptables.
      out.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(NF_IP_PRI_RAW));
      out.close(where);
    });
  }

  void rule(std::string_view chain, const SocketAddress& address, Side side, std::uint8_t protocol);

 private:
  void frame(int type) {
    const auto at = modes::netfilter::open_nfnetlink_message(
        bytes_, type, NLM_F_REQUEST, sequence_++, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    modes::netfilter::close_message(bytes_, at);
  }

  std::vector<std::byte> bytes_;
  std::uint32_t sequence_;
};

// Expressions of one rule (linux/netfilter/nf_tables.h).
template <class Fill>
void expression(AttributeWriter& out, std::string_view name, Fill fill) {
  const auto element = out.open(NFTA_LIST_ELEM);
  out.put_text(NFTA_EXPR_NAME, name);
  const auto data = out.open(NFTA_EXPR_DATA);
  fill();
  out.close(data);
  out.close(element);
}

void equals(AttributeWriter& out, std::span<const std::byte> value) {
  expression(out, "cmp", [&] {
    out.put_be32(NFTA_CMP_SREG, NFT_REG_1);
    out.put_be32(NFTA_CMP_OP, NFT_CMP_EQ);
    const auto data = out.open(NFTA_CMP_DATA);
    out.put(NFTA_DATA_VALUE, value);
    out.close(data);
  });
}

void meta_is(AttributeWriter& out, std::uint32_t key, std::uint8_t value) {
  expression(out, "meta", [&] {
    out.put_be32(NFTA_META_DREG, NFT_REG_1);
    out.put_be32(NFTA_META_KEY, key);
  });
  equals(out, raw(value));
}

void bytes_are(AttributeWriter& out, std::uint32_t base, std::uint32_t offset,
               std::span<const std::byte> value) {
  expression(out, "payload", [&] {
    out.put_be32(NFTA_PAYLOAD_DREG, NFT_REG_1);
    out.put_be32(NFTA_PAYLOAD_BASE, base);
    out.put_be32(NFTA_PAYLOAD_OFFSET, offset);
    out.put_be32(NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(value.size()));
  });
  equals(out, value);
}

void Batch::rule(std::string_view chain, const SocketAddress& address, Side side,
                 std::uint8_t protocol) {
  const auto family = address.address.family();
  const std::uint8_t network_protocol = family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  const std::uint16_t port = htons(address.port.value);
  message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&](AttributeWriter& out) {
    out.put_text(NFTA_RULE_TABLE, kTable);
    out.put_text(NFTA_RULE_CHAIN, chain);
    const auto list = out.open(NFTA_RULE_EXPRESSIONS);
    meta_is(out, NFT_META_NFPROTO, network_protocol);
    bytes_are(out, NFT_PAYLOAD_NETWORK_HEADER, address_offset(family, side),
              address.address.bytes());
    meta_is(out, NFT_META_L4PROTO, protocol);
    bytes_are(out, NFT_PAYLOAD_TRANSPORT_HEADER, port_offset(side), raw(port));
    expression(out, "notrack", [] {});
    out.close(list);
  });
}

std::vector<std::byte> note(const Claim& claim) {
  std::vector<std::byte> out;
  const auto put = [&](std::uint8_t type, std::span<const std::byte> value) {
    out.push_back(std::byte{type});
    out.push_back(static_cast<std::byte>(value.size()));
    out.insert(out.end(), value.begin(), value.end());
  };
  std::array<char, kCommentText.size() + 1> comment{};
  kCommentText.copy(comment.data(), kCommentText.size());
  put(kComment, std::as_bytes(std::span{comment}));
  put(kOwner, raw(claim.owner));
  for (const auto& address : claim.addresses) {
    put(address.address.family() == Family::v4 ? kV4 : kV6, address.address.bytes());
  }
  return out;
}

std::optional<Claim> read_note(modes::netfilter::Bytes bytes) {
  Claim claim;
  while (bytes.size() >= 2) {
    const auto type = std::to_integer<std::uint8_t>(bytes[0]);
    const auto size = std::to_integer<std::size_t>(bytes[1]);
    if (bytes.size() - 2 < size) return std::nullopt;
    const auto value = bytes.subspan(2, size);
    bytes = bytes.subspan(2 + size);
    if (type == kOwner && size == sizeof claim.owner) {
      std::memcpy(&claim.owner, value.data(), size);
    }
    for (const auto& [kind, family] : {std::pair{kV4, Family::v4}, {kV6, Family::v6}}) {
      if (type != kind || size != proxy::address_size(family)) continue;
      claim.addresses.push_back({proxy::IpAddress::from_bytes(family, value), {}});
    }
  }
  return claim;
}

}  // namespace

std::vector<std::byte> put_claim(const Claim& claim, std::uint32_t sequence) {
  Batch batch{sequence};
  batch.table(NFT_MSG_NEWTABLE, NLM_F_CREATE);  // so that there is one to delete
  batch.table(NFT_MSG_DELTABLE, 0);
  batch.table(NFT_MSG_NEWTABLE, NLM_F_CREATE, note(claim));
  batch.chain(kPrerouting, NF_INET_PRE_ROUTING);
  batch.chain(kOutput, NF_INET_LOCAL_OUT);
  for (const auto& address : claim.addresses) {
    for (const auto protocol : kProtocols) {
      batch.rule(kPrerouting, address, Side::destination, protocol);
      batch.rule(kOutput, address, Side::destination, protocol);
      batch.rule(kOutput, address, Side::source, protocol);
    }
  }
  return std::move(batch).finish();
}

std::vector<std::byte> delete_claim(std::uint32_t sequence) {
  Batch batch{sequence};
  batch.table(NFT_MSG_DELTABLE, 0);
  return std::move(batch).finish();
}

std::vector<std::byte> get_claim(std::uint32_t sequence) {
  std::vector<std::byte> bytes;
  const auto at =
      modes::netfilter::open_nfnetlink_message(bytes, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE,
                                               NLM_F_REQUEST, sequence, NFPROTO_INET, 0);
  AttributeWriter{bytes}.put_text(NFTA_TABLE_NAME, kTable);
  modes::netfilter::close_message(bytes, at);
  return bytes;
}

std::optional<Claim> parse_claim(const Message& message) {
  if (modes::netfilter::nf_tables_type(message) != NFT_MSG_NEWTABLE) return std::nullopt;
  bool is_ours = false;
  std::optional<Claim> claim = Claim{};
  modes::netfilter::for_each_attribute(message.attributes(), [&](const auto& attribute) {
    if (attribute.type == NFTA_TABLE_NAME) is_ours = attribute.text() == kTable;
    if (attribute.type == NFTA_TABLE_USERDATA) claim = read_note(attribute.payload);
  });
  return is_ours ? claim : std::nullopt;
}

}  // namespace dns::node
