#include "modes/netfilter/native_rule.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/expressions.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

// Newer than some kernel headers (Linux 5.11).
#ifndef NFT_SOCKET_WILDCARD
#define NFT_SOCKET_WILDCARD 2
#endif

#include <algorithm>
#include <array>
#include <cstring>

namespace modes::netfilter {
namespace {

using proxy::Family;
using proxy::IpAddress;

// Registers of 4 bytes. Matches work in the first ones; a concatenation fills them from there on.
constexpr std::uint32_t kScratch = NFT_REG32_00;
constexpr std::uint32_t kSecond = NFT_REG32_04;  // behind an address of any family

// Byte offsets in the network header: RFC 791 §3.1, RFC 8200 §3; in the transport header: the
// destination port stands at 2 in TCP, UDP and SCTP.
namespace offset {
constexpr std::uint32_t address(Family family, bool source) {
  if (family == Family::v4) return source ? 12 : 16;
  return source ? 8 : 24;
}
inline constexpr std::uint32_t kDestinationPort = 2;
// RFC 826, for Ethernet and IPv4.
inline constexpr std::uint32_t kArpOperation = 6, kArpTarget = 24;
}  // namespace offset

// How many registers an address takes.
constexpr std::uint32_t address_registers(Family family) {
  return family == Family::v4 ? 1 : 4;
}

std::uint32_t nf_family(Family family) {
  return family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

std::array<std::byte, 2> network_order(proxy::Port port) {
  return {static_cast<std::byte>(port.value >> 8), static_cast<std::byte>(port.value & 0xff)};
}

std::array<std::byte, 4> host_order(std::uint32_t value) {
  std::array<std::byte, 4> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

}  // namespace

// One element of the list: its name at once, its data between construction and destruction.
class NativeRule::Expression {
 public:
  Expression(std::vector<std::byte>& bytes, std::string_view name)
      : out{bytes}, element_{out.open(NFTA_LIST_ELEM)} {
    out.put_text(NFTA_EXPR_NAME, name);
    data_ = out.open(NFTA_EXPR_DATA);
  }
  ~Expression() {
    out.close(data_);
    out.close(element_);
  }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  void value(std::uint16_t attribute, std::span<const std::byte> bytes) {
    const auto nest = out.open(attribute);
    out.put(NFTA_DATA_VALUE, bytes);
    out.close(nest);
  }

  AttributeWriter out;

 private:
  std::size_t element_;
  std::size_t data_ = 0;
};

// ── loading ─────────────────────────────────────────────────────────────────────────────────────

void NativeRule::load_meta(std::uint32_t key, std::uint32_t into) {
  Expression meta{bytes_, "meta"};
  meta.out.put_be32(NFTA_META_DREG, into);
  meta.out.put_be32(NFTA_META_KEY, key);
}

void NativeRule::load_network(std::uint32_t offset, std::uint32_t size, std::uint32_t into) {
  Expression payload{bytes_, "payload"};
  payload.out.put_be32(NFTA_PAYLOAD_DREG, into);
  payload.out.put_be32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
  payload.out.put_be32(NFTA_PAYLOAD_OFFSET, offset);
  payload.out.put_be32(NFTA_PAYLOAD_LEN, size);
}

void NativeRule::load_address(Side side, std::uint32_t into) {
  load_network(offset::address(family_, side == Side::source),
               static_cast<std::uint32_t>(proxy::address_size(family_)), into);
}

void NativeRule::load_port(std::uint32_t into) {
  Expression payload{bytes_, "payload"};
  payload.out.put_be32(NFTA_PAYLOAD_DREG, into);
  payload.out.put_be32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
  payload.out.put_be32(NFTA_PAYLOAD_OFFSET, offset::kDestinationPort);
  payload.out.put_be32(NFTA_PAYLOAD_LEN, sizeof(std::uint16_t));
}

void NativeRule::load_number(std::span<const std::byte> value, std::uint32_t into) {
  Expression immediate{bytes_, "immediate"};
  immediate.out.put_be32(NFTA_IMMEDIATE_DREG, into);
  immediate.value(NFTA_IMMEDIATE_DATA, value);
}

// ── matching ────────────────────────────────────────────────────────────────────────────────────

void NativeRule::compare(std::span<const std::byte> value, bool equal) {
  Expression cmp{bytes_, "cmp"};
  cmp.out.put_be32(NFTA_CMP_SREG, kScratch);
  cmp.out.put_be32(NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
  cmp.value(NFTA_CMP_DATA, value);
}

void NativeRule::mask(std::span<const std::byte> mask, std::span<const std::byte> exclusive_or) {
  Expression bitwise{bytes_, "bitwise"};
  bitwise.out.put_be32(NFTA_BITWISE_SREG, kScratch);
  bitwise.out.put_be32(NFTA_BITWISE_DREG, kScratch);
  bitwise.out.put_be32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
  bitwise.value(NFTA_BITWISE_MASK, mask);
  bitwise.value(NFTA_BITWISE_XOR, exclusive_or);
}

void NativeRule::address(Side side, const proxy::IpPrefix& prefix, bool equal) {
  load_address(side, kScratch);
  const auto size = proxy::address_size(family_);
  if (prefix.length < proxy::address_bits(family_)) {
    std::array<std::byte, 16> ones{};
    ones.fill(std::byte{0xff});
    const auto all = IpAddress::from_bytes(family_, std::span{ones}.first(size));
    const std::array<std::byte, 16> zero{};
    mask(proxy::IpPrefix::of(all, prefix.length).address.bytes(), std::span{zero}.first(size));
  }
  compare(prefix.address.bytes(), equal);
}

void NativeRule::address_type(std::uint32_t which) {
  {
    Expression fib{bytes_, "fib"};
    fib.out.put_be32(NFTA_FIB_DREG, kScratch);
    fib.out.put_be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    fib.out.put_be32(NFTA_FIB_FLAGS, which);
  }
  constexpr std::uint32_t kLocal = 2;  // linux/rtnetlink.h RTN_LOCAL
  compare(host_order(kLocal));
}

NativeRule& NativeRule::protocol(proxy::Protocol protocol) {
  load_meta(NFT_META_L4PROTO, kScratch);
  compare(std::array{static_cast<std::byte>(protocol)});
  return *this;
}

NativeRule& NativeRule::mark(std::uint32_t value, std::uint32_t bits) {
  load_meta(NFT_META_MARK, kScratch);
  mask(host_order(bits), host_order(0));
  compare(host_order(value));
  return *this;
}

NativeRule& NativeRule::not_new() {
  {
    Expression ct{bytes_, "ct"};
    ct.out.put_be32(NFTA_CT_DREG, kScratch);
    ct.out.put_be32(NFTA_CT_KEY, NFT_CT_STATE);
  }
  constexpr std::uint32_t kNew = 8;  // NF_CT_STATE_BIT(IP_CT_NEW)
  mask(host_order(kNew), host_order(0));
  compare(host_order(0));
  return *this;
}

void NativeRule::link_name(std::uint32_t key, std::string_view pattern, bool equal) {
  load_meta(key, kScratch);
  // A prefix compares only its own characters, a whole name all sixteen (IFNAMSIZ).
  const bool prefix = pattern.ends_with('+');
  std::array<std::byte, 16> name{};
  const auto size = std::min(pattern.size() - (prefix ? 1 : 0), name.size() - 1);
  std::memcpy(name.data(), pattern.data(), size);
  compare(std::span{name}.first(prefix ? size : name.size()), equal);
}
NativeRule& NativeRule::in_interface(std::string_view pattern, bool equal) {
  link_name(NFT_META_IIFNAME, pattern, equal);
  return *this;
}
NativeRule& NativeRule::out_interface(std::string_view pattern, bool equal) {
  link_name(NFT_META_OIFNAME, pattern, equal);
  return *this;
}

NativeRule& NativeRule::icmp() {
  load_meta(NFT_META_L4PROTO, kScratch);
  constexpr std::byte kIcmp{IPPROTO_ICMP};
  constexpr std::byte kIcmpV6{IPPROTO_ICMPV6};
  compare(std::array{family_ == Family::v4 ? kIcmp : kIcmpV6});
  return *this;
}

NativeRule& NativeRule::source(const proxy::IpPrefix& prefix) {
  address(Side::source, prefix, true);
  return *this;
}
NativeRule& NativeRule::destination(const proxy::IpPrefix& prefix, bool equal) {
  address(Side::destination, prefix, equal);
  return *this;
}
NativeRule& NativeRule::source_is_local() {
  address_type(NFTA_FIB_F_SADDR);
  return *this;
}
NativeRule& NativeRule::destination_is_local() {
  address_type(NFTA_FIB_F_DADDR);
  return *this;
}

// A listener at any address would be found for every packet to its port, wherever it goes to.
NativeRule& NativeRule::transparent_socket() {
  const auto is = [&](std::uint32_t key, std::byte value) {
    {
      Expression socket{bytes_, "socket"};
      socket.out.put_be32(NFTA_SOCKET_KEY, key);
      socket.out.put_be32(NFTA_SOCKET_DREG, kScratch);
    }
    compare(std::array{value});
  };
  is(NFT_SOCKET_TRANSPARENT, std::byte{1});
  is(NFT_SOCKET_WILDCARD, std::byte{0});
  return *this;
}

void NativeRule::lookup(std::string_view set, std::uint32_t from,
                        std::optional<std::uint32_t> into) {
  Expression expression{bytes_, "lookup"};
  expression.out.put_text(NFTA_LOOKUP_SET, set);
  expression.out.put_be32(NFTA_LOOKUP_SREG, from);
  if (into) expression.out.put_be32(NFTA_LOOKUP_DREG, *into);
}

NativeRule& NativeRule::destination_in(std::string_view set) {
  load_address(Side::destination, kScratch);
  lookup(set, kScratch, std::nullopt);
  return *this;
}

NativeRule& NativeRule::source_in(std::string_view set) {
  load_address(Side::source, kScratch);
  lookup(set, kScratch, std::nullopt);
  return *this;
}

NativeRule& NativeRule::source_is_destination() {
  constexpr std::size_t kListHeader = 4;  // struct nlattr of the list, which is not ours to write
  std::vector<std::byte> list;
  {
    ExpressionWriter writer{list};
    writer.source_is_destination(family_);
  }
  bytes_.insert(bytes_.end(), list.begin() + kListHeader, list.end());
  return *this;
}

NativeRule& NativeRule::arp_request_for(std::string_view set) {
  load_network(offset::kArpOperation, 2, kScratch);
  compare(std::array{std::byte{0}, std::byte{1}});
  load_network(offset::kArpTarget, 4, kScratch);
  lookup(set, kScratch, std::nullopt);
  return *this;
}

NativeRule& NativeRule::vip_in(std::string_view set) {
  const auto width = address_registers(family_);
  load_address(Side::destination, kScratch);
  load_meta(NFT_META_L4PROTO, kScratch + width);
  load_port(kScratch + width + 1);
  lookup(set, kScratch, std::nullopt);
  return *this;
}

NativeRule& NativeRule::port_in(std::string_view set) {
  load_meta(NFT_META_L4PROTO, kScratch);
  load_port(kScratch + 1);
  lookup(set, kScratch, std::nullopt);
  return *this;
}

NativeRule& NativeRule::vip_and_source_in(std::string_view set) {
  const auto width = address_registers(family_);
  load_address(Side::destination, kScratch);
  load_meta(NFT_META_L4PROTO, kScratch + width);
  load_port(kScratch + width + 1);
  load_address(Side::source, kScratch + width + 2);
  lookup(set, kScratch, std::nullopt);
  return *this;
}

NativeRule& NativeRule::vip_number(std::string_view map, std::uint32_t number, bool equal) {
  const auto width = address_registers(family_);
  load_address(Side::destination, kScratch);
  load_meta(NFT_META_L4PROTO, kScratch + width);
  load_port(kScratch + width + 1);
  lookup(map, kScratch, kScratch);
  compare(host_order(number), equal);
  return *this;
}

NativeRule& NativeRule::port_number(std::string_view map, std::uint32_t number, bool equal) {
  load_meta(NFT_META_L4PROTO, kScratch);
  load_port(kScratch + 1);
  lookup(map, kScratch, kScratch);
  compare(host_order(number), equal);
  return *this;
}

// ── acting ──────────────────────────────────────────────────────────────────────────────────────

NativeRule& NativeRule::set_mark(std::uint32_t value, std::uint32_t bits) {
  load_meta(NFT_META_MARK, kScratch);
  mask(host_order(~bits), host_order(value));
  Expression meta{bytes_, "meta"};
  meta.out.put_be32(NFTA_META_KEY, NFT_META_MARK);
  meta.out.put_be32(NFTA_META_SREG, kScratch);
  return *this;
}

NativeRule& NativeRule::tproxy(proxy::Port port) {
  load_number(network_order(port), kScratch);
  Expression tproxy{bytes_, "tproxy"};
  tproxy.out.put_be32(NFTA_TPROXY_FAMILY, nf_family(family_));
  tproxy.out.put_be32(NFTA_TPROXY_REG_PORT, kScratch);
  return *this;
}

NativeRule& NativeRule::dnat(const proxy::IpAddress& address, proxy::Port port) {
  load_number(address.bytes(), kScratch);
  load_number(network_order(port), kSecond);
  Expression nat{bytes_, "nat"};
  nat.out.put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
  nat.out.put_be32(NFTA_NAT_FAMILY, nf_family(family_));
  nat.out.put_be32(NFTA_NAT_REG_ADDR_MIN, kScratch);
  nat.out.put_be32(NFTA_NAT_REG_PROTO_MIN, kSecond);
  return *this;
}

NativeRule& NativeRule::redirect(proxy::Port port) {
  load_number(network_order(port), kScratch);
  Expression redirect{bytes_, "redir"};
  redirect.out.put_be32(NFTA_REDIR_REG_PROTO_MIN, kScratch);
  return *this;
}

NativeRule& NativeRule::masquerade() {
  Expression masquerade{bytes_, "masq"};
  masquerade.out.put_be32(NFTA_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
  return *this;
}

NativeRule& NativeRule::reject() {
  constexpr std::byte kPortUnreachableV4{3};  // RFC 792
  constexpr std::byte kPortUnreachableV6{4};  // RFC 4443 §3.1
  Expression reject{bytes_, "reject"};
  reject.out.put_be32(NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
  reject.out.put(NFTA_REJECT_ICMP_CODE,
                 std::array{family_ == Family::v4 ? kPortUnreachableV4 : kPortUnreachableV6});
  return *this;
}

void NativeRule::verdict(int code, std::string_view chain) {
  Expression immediate{bytes_, "immediate"};
  immediate.out.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  const auto data = immediate.out.open(NFTA_IMMEDIATE_DATA);
  const auto nest = immediate.out.open(NFTA_DATA_VERDICT);
  immediate.out.put_be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
  if (!chain.empty()) immediate.out.put_text(NFTA_VERDICT_CHAIN, chain);
  immediate.out.close(nest);
  immediate.out.close(data);
}

NativeRule& NativeRule::drop() {
  verdict(NF_DROP);
  return *this;
}
NativeRule& NativeRule::accept() {
  verdict(NF_ACCEPT);
  return *this;
}
NativeRule& NativeRule::go_to(std::string_view chain) {
  verdict(NFT_GOTO, chain);
  return *this;
}

}  // namespace modes::netfilter
