// Our bytes as libnftnl reads them, beside what iptables-nft writes for the same rule
// (tests/testdata/iptables_nft_rules.txt); and the userdata by which rules are known as ours.
#include "modes/netfilter/rule_codec.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"
#include "modes/netfilter/observation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

namespace modes::netfilter {
namespace {

struct FreeRule {
  void operator()(nftnl_rule* rule) const noexcept { nftnl_rule_free(rule); }
};
using NftRule = std::unique_ptr<nftnl_rule, FreeRule>;

std::vector<std::byte> message_of(Family family, const Rule& rule) {
  std::vector<std::byte> bytes;
  const auto at = open_nf_tables_message(bytes, NFT_MSG_NEWRULE, 0, 1, family);
  encode_rule(family, rule, bytes);
  close_message(bytes, at);
  return bytes;
}

NftRule parsed(Family family, const Rule& rule) {
  const auto bytes = message_of(family, rule);
  NftRule out{nftnl_rule_alloc()};
  EXPECT_EQ(nftnl_rule_nlmsg_parse(reinterpret_cast<const nlmsghdr*>(bytes.data()), out.get()), 0);
  return out;
}

struct Info {
  std::string name;
  std::uint32_t revision = 0;
  std::string bytes;
};

// Of a `match` or `target` expression.
std::optional<Info> info_of(nftnl_expr* expression) {
  const std::string kind = nftnl_expr_get_str(expression, NFTNL_EXPR_NAME);
  if (kind != "match" && kind != "target") return std::nullopt;
  // The attributes of both kinds have the same numbers.
  static_assert(int{NFTNL_EXPR_MT_NAME} == int{NFTNL_EXPR_TG_NAME} &&
                int{NFTNL_EXPR_MT_REV} == int{NFTNL_EXPR_TG_REV} &&
                int{NFTNL_EXPR_MT_INFO} == int{NFTNL_EXPR_TG_INFO});
  std::uint32_t size = 0;
  const auto* data =
      static_cast<const char*>(nftnl_expr_get(expression, NFTNL_EXPR_MT_INFO, &size));
  return Info{nftnl_expr_get_str(expression, NFTNL_EXPR_MT_NAME),
              nftnl_expr_get_u32(expression, NFTNL_EXPR_MT_REV),
              {data, size}};
}

std::vector<Info> infos_of(nftnl_rule* rule) {
  std::vector<Info> out;
  nftnl_expr_foreach(
      rule,
      [](nftnl_expr* expression, void* into) {
        if (auto info = info_of(expression))
          static_cast<std::vector<Info>*>(into)->push_back(*info);
        return 0;
      },
      &out);
  return out;
}

std::string hexadecimal(std::string_view bytes) {
  std::string out;
  while (bytes.ends_with('\0')) bytes.remove_suffix(1);
  for (const char byte : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(byte) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned char>(byte) & 15];
  }
  return out;
}

// Lines of expressions and infos in the form of the test data.
std::vector<std::string> lines_of(nftnl_rule* rule) {
  std::array<char, 8192> text{};
  nftnl_rule_snprintf(text.data(), text.size(), rule, NFTNL_OUTPUT_DEFAULT, 0);
  std::vector<std::string> out;
  std::istringstream stream{text.data()};
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("  [")) out.push_back(line);
  }
  for (const auto& info : infos_of(rule)) {
    out.push_back("  info " + info.name + " " + std::to_string(info.revision) + " " +
                  std::to_string(info.bytes.size()) + " " + hexadecimal(info.bytes));
  }
  return out;
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::map<std::string, std::vector<std::string>> golden_rules() {
  std::map<std::string, std::vector<std::string>> out;
  std::ifstream file{VIADUCT_TESTDATA "/iptables_nft_rules.txt"};
  std::string rule;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    if (line.starts_with("  ")) {
      out[rule].push_back(trimmed(line));
    } else {
      rule = line;
    }
  }
  return out;
}

Rule with(Target target) {
  Rule rule;
  rule.target = std::move(target);
  return rule;
}
template <class Member, class Value>
Rule with(Member Rule::*member, Value value) {
  Rule rule;
  rule.*member = std::move(value);
  return rule;
}

std::map<std::string, Rule> rules(Family family) {
  const bool v4 = family == Family::v4;
  const auto address = [](const char* text) { return *proxy::parse_ip(text); };
  const auto prefix = [](const char* text) { return *proxy::parse_prefix(text); };
  auto to_endpoint = with(Dnat{address(v4 ? "10.1.0.5" : "fd01::5"), {8080}});
  to_endpoint.protocol = Protocol::tcp;
  auto sctp = with(&Rule::destination_port, PortRange{{3868}, {3868}});
  sctp.protocol = Protocol::sctp;
  return {
      {std::string{"-s "} + (v4 ? "10.0.0.7" : "fd00::7"),
       with(&Rule::source, AddressMatch{prefix(v4 ? "10.0.0.7/32" : "fd00::7/128")})},
      {std::string{"! -d "} + (v4 ? "10.0.0.0/12" : "fd00::/12"),
       with(&Rule::destination, AddressMatch{prefix(v4 ? "10.0.0.0/12" : "fd00::/12"), true})},
      {"-i cbr0", with(&Rule::in_interface, InterfaceMatch{"cbr0"})},
      {"! -i veth+", with(&Rule::in_interface, InterfaceMatch{"veth+", true})},
      {"-p sctp --dport 3868", sctp},
      {"-m conntrack --ctstate NEW", with(&Rule::state, ConnectionState{.fresh = true})},
      {"-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT",
       with(&Rule::state,
            ConnectionState{.established = true, .related = true, .dnat = true, .inverted = true})},
      {"-m conntrack --ctstate INVALID", with(&Rule::state, ConnectionState{.invalid = true})},
      {"-m addrtype --src-type LOCAL", with(&Rule::address_type, AddressType::source_local)},
      {"-m addrtype --dst-type LOCAL", with(&Rule::address_type, AddressType::destination_local)},
      {"-m recent --name KUBE-SEP-A --rcheck --seconds 10800 --reap --rsource",
       with(&Rule::recent, Recent{Recent::Action::check, 10800, "KUBE-SEP-A"})},
      {"-m recent --name KUBE-SEP-A --set --rsource",
       with(&Rule::recent, Recent{Recent::Action::set, 0, "KUBE-SEP-A"})},
      {"-j RETURN", with(Return{})},
      {"-j MARK --or-mark 0x4000", with(Mark{0x4000, 0x4000})},
      {"-j MARK --xor-mark 0x4000", with(Mark{0x4000, 0})},
      {"-j MASQUERADE --random-fully", with(Masquerade{})},
      {"-j REJECT", with(Reject{})},
      {"-j DROP", with(Drop{})},
      {"-j ACCEPT", with(Accept{})},
      {"-j D", with(Jump{"D"})},
      {"-g D", with(Goto{"D"})},
      {std::string{"-p tcp -j DNAT --to-destination "} + (v4 ? "10.1.0.5:8080" : "[fd01::5]:8080"),
       to_endpoint},
  };
}

TEST(RuleCodec, WritesWhatIptablesNftWrites) {
  const auto golden = golden_rules();
  std::size_t compared = 0;
  for (const auto family : proxy::kFamilies) {
    for (const auto& [arguments, rule] : rules(family)) {
      const auto name = (family == Family::v4 ? "ip " : "ip6 ") + arguments;
      ASSERT_TRUE(golden.contains(name)) << name;
      std::vector<std::string> ours;
      for (auto& line : lines_of(parsed(family, rule).get())) ours.push_back(trimmed(line));
      EXPECT_EQ(ours, golden.at(name)) << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, golden.size());
}

std::uint32_t u32_at(const std::string& bytes, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}
std::uint16_t u16_at(const std::string& bytes, std::size_t offset) {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// Newer versions of iptables write these natively; the match is what all versions read.
TEST(RuleCodec, WritesPortsMarksAndChancesAsMatchesThatEveryIptablesReads) {
  Rule rule;
  rule.protocol = Protocol::udp;
  rule.destination_port = PortRange{{30208}, {30463}};
  rule.mark = MarkMatch{0x4000, 0xc000, true};
  rule.probability = 0x2aaaaaab;
  const auto infos = infos_of(parsed(Family::v4, rule).get());
  ASSERT_EQ(infos.size(), 3U);
  EXPECT_EQ(infos[0].name, "udp");
  // xt_udp: source ports, destination ports, inversions; host order.
  EXPECT_EQ(u16_at(infos[0].bytes, 0), 0);
  EXPECT_EQ(u16_at(infos[0].bytes, 2), 0xffff);
  EXPECT_EQ(u16_at(infos[0].bytes, 4), 30208);
  EXPECT_EQ(u16_at(infos[0].bytes, 6), 30463);
  EXPECT_EQ(infos[0].bytes.size(), 16U);
  EXPECT_EQ(infos[1].name, "mark");
  EXPECT_EQ(infos[1].revision, 1U);
  EXPECT_EQ(u32_at(infos[1].bytes, 0), 0x4000U);
  EXPECT_EQ(u32_at(infos[1].bytes, 4), 0xc000U);
  EXPECT_EQ(infos[1].bytes[8], 1);
  EXPECT_EQ(infos[2].name, "statistic");
  EXPECT_EQ(u32_at(infos[2].bytes, 4), 0x2aaaaaabU);
  rule = {};
  rule.protocol = Protocol::tcp;
  rule.destination_port = PortRange{{80}, {80}};
  const auto tcp = infos_of(parsed(Family::v6, rule).get());
  ASSERT_EQ(tcp.size(), 1U);
  EXPECT_EQ(tcp[0].name, "tcp");
  EXPECT_EQ(u16_at(tcp[0].bytes, 4), 80);
  EXPECT_EQ(u16_at(tcp[0].bytes, 6), 80);
  EXPECT_EQ(u32_at(tcp[0].bytes, 8), 0U);  // option, flags: any
}

// Runs classic BPF of xt_bpf's revision 1 over a network header.
std::uint32_t run_bpf(const std::string& info, const std::string& packet) {
  const auto count = u16_at(info, 2);
  std::uint32_t a = 0;
  std::uint32_t x = 0;
  for (std::size_t pc = 0; pc < count; ++pc) {
    const auto at = 8 + pc * 8;  // behind mode, count and fd: code, jt, jf, k
    const auto code = u16_at(info, at);
    const auto k = u32_at(info, at + 4);
    if (code == 0x20) {
      a = __builtin_bswap32(u32_at(packet, k));
    } else if (code == 0x07) {
      x = a;
    } else if (code == 0x1d) {
      pc += static_cast<unsigned char>(info[at + (a == x ? 2 : 3)]);
    } else if (code == 0x06) {
      return k;
    } else {
      ADD_FAILURE() << "unexpected instruction " << code;
      return 0;
    }
  }
  ADD_FAILURE() << "no return";
  return 0;
}

TEST(RuleCodec, RecognisesAPacketThatGoesBackToItsSender) {
  for (const auto family : proxy::kFamilies) {
    const auto infos = infos_of(parsed(family, with(&Rule::source_is_destination, true)).get());
    ASSERT_EQ(infos.size(), 1U);
    EXPECT_EQ(infos[0].name, "bpf");
    EXPECT_EQ(infos[0].revision, 1U);
    const auto size = proxy::address_size(family);
    const std::size_t source = family == Family::v4 ? 12 : 8;
    std::string packet(source + 2 * size, '\0');
    for (std::size_t i = 0; i < size; ++i)
      packet[source + i] = packet[source + size + i] = static_cast<char>(i + 1);
    EXPECT_EQ(run_bpf(infos[0].bytes, packet), 1U);
    for (std::size_t i = 0; i < size; ++i) {
      auto other = packet;
      other[source + size + i] = 'x';
      EXPECT_EQ(run_bpf(infos[0].bytes, other), 0U) << i;
    }
  }
}

// ── userdata ─────────────────────────────────────────────────────────────────────────────────────

std::string userdata_of(nftnl_rule* rule) {
  std::uint32_t size = 0;
  const auto* data =
      static_cast<const char*>(nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size));
  return data == nullptr ? std::string{} : std::string{data, size};
}

std::optional<Digest> digest_in(const std::string& userdata) {
  return our_digest(std::as_bytes(std::span{userdata}));
}

TEST(RuleUserdata, HoldsTheCommentAsIptablesReadsItAndOurDigest) {
  for (const std::size_t length : {0U, 1U, 126U, 127U}) {
    const auto rule = with(&Rule::comment, std::string(length, 'c'));
    const auto nft = parsed(Family::v4, rule);
    const auto userdata = userdata_of(nft.get());
    if (length > 0) {
      const std::string head{'\0', static_cast<char>(length + 1)};  // type, size with the zero
      EXPECT_EQ(userdata.substr(0, length + 3), head + rule.comment + '\0');
    }
    EXPECT_LE(userdata.size(), 256U);  // NFT_USERDATA_MAXLEN
    EXPECT_EQ(digest_in(userdata), digest(Family::v4, rule));
    EXPECT_TRUE(infos_of(nft.get()).empty());
  }
}

TEST(RuleUserdata, LeavesLongCommentsToTheMatchWhichKeeps255Bytes) {
  for (const std::size_t length : {128U, 255U, 300U}) {
    const auto rule = with(&Rule::comment, std::string(length, 'c'));
    const auto nft = parsed(Family::v4, rule);
    const auto infos = infos_of(nft.get());
    ASSERT_EQ(infos.size(), 1U);
    EXPECT_EQ(infos[0].name, "comment");
    EXPECT_EQ(infos[0].bytes.size(), 256U);
    EXPECT_EQ(std::string{infos[0].bytes.c_str()},
              std::string(std::min<std::size_t>(length, 255), 'c'));
    EXPECT_EQ(digest_in(userdata_of(nft.get())), digest(Family::v4, rule));
  }
}

TEST(RuleUserdata, IsFoundBesideWhatOthersPutThere) {
  const auto rule = with(&Rule::comment, std::string{"web"});
  const auto ours = userdata_of(parsed(Family::v4, rule).get());
  const auto wanted = std::optional{digest(Family::v4, rule)};
  const std::string foreign{"\x09\x02xy", 4};
  EXPECT_EQ(digest_in(foreign + ours), wanted);
  EXPECT_EQ(digest_in(ours + foreign), wanted);
  EXPECT_EQ(digest_in(foreign), std::nullopt);
  EXPECT_EQ(digest_in(""), std::nullopt);
  for (std::size_t size = 0; size < ours.size(); ++size) {
    EXPECT_EQ(digest_in(ours.substr(0, size)), std::nullopt) << size;
  }
  // Of another version: not known, so written anew.
  auto other = ours;
  other[other.size() - sizeof(Digest) - 1] ^= 1;
  EXPECT_EQ(digest_in(other), std::nullopt);
}

TEST(RuleDigest, DiffersForRulesThatDiffer) {
  std::map<Digest, std::string> seen;
  for (const auto& [arguments, rule] : rules(Family::v4)) {
    EXPECT_TRUE(seen.emplace(digest(Family::v4, rule), arguments).second) << arguments;
    auto commented = rule;
    commented.comment = "x";
    EXPECT_TRUE(seen.emplace(digest(Family::v4, commented), arguments).second) << arguments;
  }
}

TEST(RuleCodec, IsReadBackByTheObservation) {
  auto rule = with(Goto{"KUBE-SVCT-0A6"});
  rule.comment = "c";
  std::vector<std::byte> bytes;
  AttributeWriter out{bytes};
  out.put_text(NFTA_RULE_TABLE, "nat");
  out.put_text(NFTA_RULE_CHAIN, "KUBE-SERVICES");
  out.put_be64(NFTA_RULE_HANDLE, 77);
  encode_rule(Family::v6, rule, bytes);
  const auto read = parse_rule(Family::v6, bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->chain, (ChainKey{Family::v6, Table::nat, "KUBE-SERVICES"}));
  EXPECT_EQ(read->rule.handle, 77U);
  EXPECT_EQ(read->rule.ours, digest(Family::v6, rule));
  EXPECT_EQ(read->rule.jumps_to, ChainName{"KUBE-SVCT-0A6"});
}

}  // namespace
}  // namespace modes::netfilter
