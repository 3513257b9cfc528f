#include "modes/netfilter/rule_codec.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/expressions.hpp"

#include <xxhash.h>

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace modes::netfilter {
namespace {

// Userdata is a list of type, length, value with one byte each for the first two (libnftnl
// include/udata.h). Type 0 is the comment; the private one is ours: a magic, the version of the
// encoding, and the digest. Bump kVersion whenever an equal Rule is encoded otherwise.
namespace userdata {
inline constexpr std::byte kComment{0};
inline constexpr std::byte kPrivate{200};
inline constexpr std::array kMagic{std::byte{'v'}, std::byte{'d'}};
inline constexpr std::byte kVersion{1};
inline constexpr std::size_t kValueSize = kMagic.size() + 1 + sizeof(Digest);
inline constexpr std::size_t kMaxComment = 127;  // what iptables reads back, without the NUL
}  // namespace userdata

// Comments that are too long for userdata go into the 256-byte match.
constexpr std::size_t kMaxCommentMatch = 255;

std::string_view kept_comment(const Rule& rule) {
  return std::string_view{rule.comment}.substr(0, kMaxCommentMatch);
}

void put_userdata(AttributeWriter& out, std::string_view comment, Digest digest) {
  std::array<std::byte, 2 + userdata::kMaxComment + 1 + 2 + userdata::kValueSize> bytes{};
  std::size_t size = 0;
  if (!comment.empty() && comment.size() <= userdata::kMaxComment) {
    bytes[0] = userdata::kComment;
    bytes[1] = static_cast<std::byte>(comment.size() + 1);
    std::memcpy(bytes.data() + 2, comment.data(), comment.size());
    size = 2 + comment.size() + 1;
  }
  bytes[size++] = userdata::kPrivate;
  bytes[size++] = static_cast<std::byte>(userdata::kValueSize);
  std::ranges::copy(userdata::kMagic, bytes.begin() + static_cast<std::ptrdiff_t>(size));
  size += userdata::kMagic.size();
  bytes[size++] = userdata::kVersion;
  std::memcpy(bytes.data() + size, &digest, sizeof(digest));
  size += sizeof(digest);
  out.put(NFTA_RULE_USERDATA, std::span{bytes}.first(size));
}

void put_compat(AttributeWriter& out, Protocol protocol) {
  const auto nest = out.open(NFTA_RULE_COMPAT);
  out.put_be32(NFTA_RULE_COMPAT_PROTO, static_cast<std::uint32_t>(protocol));
  out.put_be32(NFTA_RULE_COMPAT_FLAGS, 0);
  out.close(nest);
}

void put_matches(ExpressionWriter& out, Family family, const Rule& rule, std::string_view comment) {
  if (rule.source) out.address(family, ExpressionWriter::Side::source, *rule.source);
  if (rule.destination) out.address(family, ExpressionWriter::Side::destination, *rule.destination);
  if (rule.in_interface) out.in_interface(*rule.in_interface);
  if (rule.protocol) out.protocol(*rule.protocol);
  if (comment.size() > userdata::kMaxComment) out.comment(comment);
  if (rule.destination_port) out.destination_port(*rule.protocol, *rule.destination_port);
  if (rule.mark) out.mark(*rule.mark);
  if (rule.state) out.connection_state(*rule.state);
  if (rule.address_type != AddressType::none) out.address_type(rule.address_type);
  if (rule.source_is_destination) out.source_is_destination(family);
  if (rule.recent) out.recent(*rule.recent);
  if (rule.probability != 0) out.statistic(rule.probability);
}

}  // namespace

Digest encode_rule(Family family, const Rule& rule, std::vector<std::byte>& out) {
  const auto start = out.size();
  const auto comment = kept_comment(rule);
  AttributeWriter attributes{out};
  {
    ExpressionWriter expressions{out};
    put_matches(expressions, family, rule, comment);
    expressions.counter();
    expressions.target(family, rule.target);
  }
  // xt matches of a protocol are accepted only in a rule that says that protocol.
  if (rule.destination_port) put_compat(attributes, *rule.protocol);
  XXH64_hash_t digest = XXH3_64bits(out.data() + start, out.size() - start);
  digest = XXH3_64bits_withSeed(comment.data(), comment.size(), digest);
  put_userdata(attributes, comment, digest);
  return digest;
}

Digest digest(Family family, const Rule& rule) {
  std::vector<std::byte> scratch;
  scratch.reserve(1024);
  return encode_rule(family, rule, scratch);
}

Digest chain_digest(Digest so_far, Digest rule) {
  const std::array<std::uint64_t, 2> pair{so_far, rule};
  return XXH3_64bits(pair.data(), sizeof(pair));
}

std::optional<Digest> our_digest(std::span<const std::byte> bytes) {
  while (bytes.size() >= 2) {
    const auto type = bytes[0];
    const auto size = std::to_integer<std::size_t>(bytes[1]);
    bytes = bytes.subspan(2);
    if (size > bytes.size()) return std::nullopt;
    const auto value = bytes.first(size);
    if (type == userdata::kPrivate && size == userdata::kValueSize &&
        std::ranges::equal(value.first(2), userdata::kMagic) && value[2] == userdata::kVersion) {
      Digest digest = 0;
      std::memcpy(&digest, value.data() + 3, sizeof(digest));
      return digest;
    }
    bytes = bytes.subspan(size);
  }
  return std::nullopt;
}

namespace {
constexpr std::array kOwnershipMark{userdata::kPrivate, std::byte{3}, userdata::kMagic[0],
                                    userdata::kMagic[1], userdata::kVersion};
}  // namespace

std::span<const std::byte> ownership_mark() {
  return kOwnershipMark;
}

bool is_ownership_mark(std::span<const std::byte> bytes) {
  // Of any version: a chain's content is told by its rules.
  return bytes.size() == kOwnershipMark.size() &&
         std::ranges::equal(bytes.first(4), std::span{kOwnershipMark}.first(4));
}

std::uint32_t probability_of(std::uint32_t chosen, std::uint32_t remaining) {
  if (chosen >= remaining) return 0;
  const double printed = std::round(1e10 * chosen / remaining) / 1e10;
  // Never 0, which would mean "always".
  return std::max<std::uint32_t>(1,
                                 static_cast<std::uint32_t>(std::lround(printed * 0x80000000LL)));
}

}  // namespace modes::netfilter
