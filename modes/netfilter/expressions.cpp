#include "modes/netfilter/expressions.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

// The header has inline functions in C, with C's own name for bool.
#define _Bool bool  // NOLINT(bugprone-reserved-identifier)
#include <linux/netfilter/xt_sctp.h>
#undef _Bool
#undef bytes  // a macro of that header

#include <algorithm>
#include <iterator>

namespace modes::netfilter {
namespace {

// Byte offsets in the network header: RFC 791 §3.1, RFC 8200 §3.
namespace ipv4_header {
inline constexpr std::uint32_t kSource = 12, kDestination = 16;
}
namespace ipv6_header {
inline constexpr std::uint32_t kSource = 8, kDestination = 24;
}

std::uint16_t network_order(Port port) {
  return __builtin_bswap16(port.value);
}

// An xtables extension's struct as it goes on the wire: padded to 8 bytes (XT_ALIGN). Padding is
// zero, also that within the struct if it was made by `Info info{}`: equal rules must have equal
// bytes.
template <class Info>
std::array<std::byte, (sizeof(Info) + 7) / 8 * 8> aligned(const Info& info) {
  std::array<std::byte, (sizeof(Info) + 7) / 8 * 8> bytes{};
  std::memcpy(bytes.data(), &info, sizeof(info));
  return bytes;
}

nf_inet_addr inet_address(const IpAddress& address) {
  nf_inet_addr out{};
  std::memcpy(&out, address.bytes().data(), address.bytes().size());
  return out;
}

}  // namespace

// One element of the list: its name at once, its data between construction and destruction.
class ExpressionWriter::Expression {
 public:
  Expression(AttributeWriter& out, std::string_view name)
      : out_{out}, element_{out.open(NFTA_LIST_ELEM)} {
    out_.put_text(NFTA_EXPR_NAME, name);
    data_ = out_.open(NFTA_EXPR_DATA);
  }
  ~Expression() {
    out_.close(data_);
    out_.close(element_);
  }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

 private:
  AttributeWriter& out_;
  std::size_t element_;
  std::size_t data_ = 0;
};

ExpressionWriter::ExpressionWriter(std::vector<std::byte>& out)
    : out_{out}, list_{out_.open(NFTA_RULE_EXPRESSIONS)} {}

ExpressionWriter::~ExpressionWriter() {
  out_.close(list_);
}

void ExpressionWriter::compare(bool equal, std::span<const std::byte> value) {
  const Expression expression{out_, "cmp"};
  out_.put_be32(NFTA_CMP_SREG, NFT_REG_1);
  out_.put_be32(NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
  const auto nest = out_.open(NFTA_CMP_DATA);
  out_.put(NFTA_DATA_VALUE, value);
  out_.close(nest);
}

void ExpressionWriter::masked(std::span<const std::byte> mask) {
  const std::array<std::byte, 16> zero{};
  const Expression expression{out_, "bitwise"};
  out_.put_be32(NFTA_BITWISE_SREG, NFT_REG_1);
  out_.put_be32(NFTA_BITWISE_DREG, NFT_REG_1);
  out_.put_be32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
  auto nest = out_.open(NFTA_BITWISE_MASK);
  out_.put(NFTA_DATA_VALUE, mask);
  out_.close(nest);
  nest = out_.open(NFTA_BITWISE_XOR);
  out_.put(NFTA_DATA_VALUE, std::span{zero}.first(mask.size()));
  out_.close(nest);
}

void ExpressionWriter::address(Family family, Side side, const AddressMatch& match) {
  const bool source = side == Side::source;
  const auto offset = family == Family::v4
                          ? (source ? ipv4_header::kSource : ipv4_header::kDestination)
                          : (source ? ipv6_header::kSource : ipv6_header::kDestination);
  const auto size = proxy::address_size(family);
  {
    const Expression expression{out_, "payload"};
    out_.put_be32(NFTA_PAYLOAD_DREG, NFT_REG_1);
    out_.put_be32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    out_.put_be32(NFTA_PAYLOAD_OFFSET, offset);
    out_.put_be32(NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(size));
  }
  if (match.prefix.length < proxy::address_bits(family)) {
    std::array<std::byte, 16> ones{};
    ones.fill(std::byte{0xff});
    const auto all = IpAddress::from_bytes(family, std::span{ones}.first(size));
    masked(IpPrefix::of(all, match.prefix.length).address.bytes());
  }
  compare(!match.inverted, match.prefix.address.bytes());
}

void ExpressionWriter::in_interface(const InterfaceMatch& match) {
  {
    const Expression expression{out_, "meta"};
    out_.put_be32(NFTA_META_DREG, NFT_REG_1);
    out_.put_be32(NFTA_META_KEY, NFT_META_IIFNAME);
  }
  // A prefix compares only its own characters, a whole name its terminating zero as well.
  const bool prefix = match.name.ends_with('+');
  std::array<std::byte, 16> name{};  // IFNAMSIZ
  const auto size = std::min(match.name.size() - (prefix ? 1 : 0), name.size() - 1);
  std::memcpy(name.data(), match.name.data(), size);
  compare(!match.inverted, std::span{name}.first(prefix ? size : size + 1));
}

void ExpressionWriter::protocol(Protocol protocol) {
  {
    const Expression expression{out_, "meta"};
    out_.put_be32(NFTA_META_DREG, NFT_REG_1);
    out_.put_be32(NFTA_META_KEY, NFT_META_L4PROTO);
  }
  const auto number = static_cast<std::byte>(protocol);
  compare(true, std::span{&number, 1});
}

template <class Info>
void ExpressionWriter::match(std::string_view name, std::uint32_t revision, const Info& info) {
  const Expression expression{out_, "match"};
  out_.put_text(NFTA_MATCH_NAME, name);
  out_.put_be32(NFTA_MATCH_REV, revision);
  out_.put(NFTA_MATCH_INFO, aligned(info));
}

template <class Info>
void ExpressionWriter::extension_target(std::string_view name, std::uint32_t revision,
                                        const Info& info) {
  const Expression expression{out_, "target"};
  out_.put_text(NFTA_TARGET_NAME, name);
  out_.put_be32(NFTA_TARGET_REV, revision);
  out_.put(NFTA_TARGET_INFO, aligned(info));
}

void ExpressionWriter::comment(std::string_view text) {
  xt_comment_info info{};
  text.copy(info.comment, sizeof(info.comment) - 1);
  match("comment", 0, info);
}

void ExpressionWriter::destination_port(Protocol protocol, const PortRange& range) {
  // Port ranges of the xt structs are in host order.
  switch (protocol) {
    case Protocol::tcp: {
      xt_tcp info{};
      info.spts[1] = 0xffff;
      info.dpts[0] = range.first.value;
      info.dpts[1] = range.last.value;
      return match("tcp", 0, info);
    }
    case Protocol::udp: {
      xt_udp info{};
      info.spts[1] = 0xffff;
      info.dpts[0] = range.first.value;
      info.dpts[1] = range.last.value;
      return match("udp", 0, info);
    }
    case Protocol::sctp: {
      xt_sctp_info info{};
      info.dpts[0] = range.first.value;
      info.dpts[1] = range.last.value;
      info.flags = XT_SCTP_DEST_PORTS;
      // No chunk is looked at; iptables -C compares these bytes all the same.
      for (auto& flag : info.flag_info) flag.chunktype = 0xff;
      return match("sctp", 0, info);
    }
  }
}

void ExpressionWriter::mark(const MarkMatch& m) {
  xt_mark_mtinfo1 info{};
  info.mark = m.value;
  info.mask = m.mask;
  info.invert = m.inverted ? 1 : 0;
  match("mark", 1, info);
}

void ExpressionWriter::connection_state(const ConnectionState& state) {
  xt_conntrack_mtinfo3 info{};
  info.match_flags = XT_CONNTRACK_STATE;
  info.invert_flags = state.inverted ? XT_CONNTRACK_STATE : 0;
  const auto add = [&](bool wanted, unsigned bit) {
    if (wanted) info.state_mask = static_cast<__u16>(info.state_mask | bit);
  };
  add(state.invalid, XT_CONNTRACK_STATE_INVALID);
  add(state.fresh, XT_CONNTRACK_STATE_BIT(IP_CT_NEW));
  add(state.established, XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED));
  add(state.related, XT_CONNTRACK_STATE_BIT(IP_CT_RELATED));
  add(state.dnat, XT_CONNTRACK_STATE_DNAT);
  match("conntrack", 3, info);
}

void ExpressionWriter::address_type(AddressType type) {
  xt_addrtype_info_v1 info{};
  (type == AddressType::source_local ? info.source : info.dest) = XT_ADDRTYPE_LOCAL;
  match("addrtype", 1, info);
}

// Classic BPF over the network header: true when source and destination address are equal. xtables
// has no other match that compares two fields of a packet.
void ExpressionWriter::source_is_destination(Family family) {
  const auto load = [](std::uint32_t offset) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offset};
  };
  const bool v4 = family == Family::v4;
  const auto words = static_cast<std::uint32_t>(proxy::address_size(family) / 4);
  const auto source = v4 ? ipv4_header::kSource : ipv6_header::kSource;
  const auto destination = v4 ? ipv4_header::kDestination : ipv6_header::kDestination;
  xt_bpf_info_v1 info{};
  info.mode = XT_BPF_MODE_BYTECODE;
  __u16 n = 0;
  for (std::uint32_t word = 0; word < words; ++word) {
    info.bpf_program[n++] = load(source + 4 * word);
    info.bpf_program[n++] = sock_filter{BPF_MISC | BPF_TAX, 0, 0, 0};
    info.bpf_program[n++] = load(destination + 4 * word);
    // Unequal: on to the last instruction, which returns 0.
    const auto left = static_cast<__u8>((words - 1 - word) * 4 + 1);
    info.bpf_program[n++] = sock_filter{BPF_JMP | BPF_JEQ | BPF_X, 0, left, 0};
  }
  info.bpf_program[n++] = sock_filter{BPF_RET | BPF_K, 0, 0, 1};
  info.bpf_program[n++] = sock_filter{BPF_RET | BPF_K, 0, 0, 0};
  info.bpf_program_num_elem = n;
  match("bpf", 1, info);
}

void ExpressionWriter::recent(const Recent& recent) {
  xt_recent_mtinfo_v1 info{};
  if (recent.action == Recent::Action::set) {
    info.check_set = XT_RECENT_SET;
  } else {
    info.check_set = XT_RECENT_CHECK | XT_RECENT_REAP;
    info.seconds = recent.seconds;
  }
  recent.list.view().copy(info.name, sizeof(info.name) - 1);
  info.side = XT_RECENT_SOURCE;
  std::memset(&info.mask, 0xff, sizeof(info.mask));
  match("recent", 1, info);
}

void ExpressionWriter::statistic(std::uint32_t probability) {
  xt_statistic_info info{};
  info.mode = XT_STATISTIC_MODE_RANDOM;
  info.u.random.probability = probability;
  match("statistic", 0, info);
}

void ExpressionWriter::counter() {
  const Expression expression{out_, "counter"};
}

void ExpressionWriter::verdict(int code, const ChainName* chain) {
  const Expression expression{out_, "immediate"};
  out_.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  const auto data = out_.open(NFTA_IMMEDIATE_DATA);
  const auto nest = out_.open(NFTA_DATA_VERDICT);
  out_.put_be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
  if (chain != nullptr) out_.put_text(NFTA_VERDICT_CHAIN, chain->view());
  out_.close(nest);
  out_.close(data);
}

void ExpressionWriter::dnat([[maybe_unused]] Family family, const Dnat& to) {
  nf_nat_range2 range{};
  range.flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
  assert(to.address.family() == family);
  range.min_addr = range.max_addr = inet_address(to.address);
  range.min_proto.all = range.max_proto.all = network_order(to.port);
  extension_target("DNAT", 2, range);
}

void ExpressionWriter::masquerade(Family family) {
  if (family == Family::v4) {
    nf_nat_ipv4_multi_range_compat ranges{};
    ranges.rangesize = 1;
    ranges.range[0].flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY;
    extension_target("MASQUERADE", 0, ranges);
  } else {
    nf_nat_range range{};
    range.flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY;
    extension_target("MASQUERADE", 0, range);
  }
}

void ExpressionWriter::reject(Family family) {
  if (family == Family::v4) {
    extension_target("REJECT", 0, ipt_reject_info{IPT_ICMP_PORT_UNREACHABLE});
  } else {
    extension_target("REJECT", 0, ip6t_reject_info{IP6T_ICMP6_PORT_UNREACH});
  }
}

void ExpressionWriter::target(Family family, const Target& target) {
  struct Visitor {
    ExpressionWriter& out;
    Family family;
    void operator()(const NoTarget&) const {}
    void operator()(const Accept&) const { out.verdict(NF_ACCEPT, nullptr); }
    void operator()(const Drop&) const { out.verdict(NF_DROP, nullptr); }
    void operator()(const Return&) const { out.verdict(NFT_RETURN, nullptr); }
    void operator()(const Jump& jump) const { out.verdict(NFT_JUMP, &jump.to); }
    void operator()(const Goto& go) const { out.verdict(NFT_GOTO, &go.to); }
    void operator()(const Reject&) const { out.reject(family); }
    void operator()(const Dnat& to) const { out.dnat(family, to); }
    void operator()(const Masquerade&) const { out.masquerade(family); }
    void operator()(const Mark& mark) const {
      out.extension_target("MARK", 2, xt_mark_tginfo2{mark.value, mark.mask});
    }
  };
  std::visit(Visitor{*this, family}, target);
}

}  // namespace modes::netfilter
