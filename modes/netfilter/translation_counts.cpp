#include "modes/netfilter/translation_counts.hpp"

#include "modes/netfilter/rule_codec.hpp"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <cstring>

namespace modes::netfilter {
namespace {

using proxy::Family;
using proxy::IpAddress;
using proxy::Port;
using proxy::state::Endpoint;

std::optional<std::uint64_t> packets_in(Bytes counter) {
  std::optional<std::uint64_t> packets;
  for_each_attribute(counter, [&](const Attribute& attribute) {
    if (attribute.type == NFTA_COUNTER_PACKETS) packets = attribute.be64();
  });
  return packets;
}

// As rule_codec writes it: revision 2, one address and one port.
std::optional<Endpoint> translated_to(Family family, Bytes target) {
  std::string_view name;
  std::optional<std::uint32_t> revision;
  Bytes info;
  for_each_attribute(target, [&](const Attribute& attribute) {
    if (attribute.type == NFTA_TARGET_NAME) name = attribute.text();
    if (attribute.type == NFTA_TARGET_REV) revision = attribute.be32();
    if (attribute.type == NFTA_TARGET_INFO) info = attribute.payload;
  });
  nf_nat_range2 range{};
  if (name != "DNAT" || revision != 2U || info.size() < sizeof(range)) return std::nullopt;
  std::memcpy(&range, info.data(), sizeof(range));
  const auto address = std::as_bytes(std::span{&range.min_addr, 1});
  return Endpoint{IpAddress::from_bytes(family, address.first(proxy::address_size(family))),
                  Port{ntohs(range.min_proto.all)}};
}

}  // namespace

std::optional<TranslationCount> parse_translation_count(Family family, Bytes attributes) {
  bool ours = false;
  std::optional<Endpoint> to;
  std::optional<std::uint64_t> packets;
  for_each_attribute(attributes, [&](const Attribute& attribute) {
    if (attribute.type == NFTA_RULE_USERDATA) ours = our_digest(attribute.payload).has_value();
    if (attribute.type != NFTA_RULE_EXPRESSIONS) return;
    for_each_attribute(attribute.payload, [&](const Attribute& element) {
      std::string_view name;
      Bytes data;
      for_each_attribute(element.payload, [&](const Attribute& part) {
        if (part.type == NFTA_EXPR_NAME) name = part.text();
        if (part.type == NFTA_EXPR_DATA) data = part.payload;
      });
      if (name == "counter") packets = packets_in(data);
      if (name == "target") to = translated_to(family, data);
    });
  });
  if (!ours || !to || !packets) return std::nullopt;
  return TranslationCount{*to, *packets};
}

}  // namespace modes::netfilter
