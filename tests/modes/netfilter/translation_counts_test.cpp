// What a rule of ours has counted, from the message in which the kernel dumps it.
#include "modes/netfilter/translation_counts.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/rule_codec.hpp"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>

#include <string_view>
#include <vector>

namespace modes::netfilter {
namespace {

using proxy::Family;
using proxy::state::Endpoint;

Endpoint endpoint(std::string_view ip, std::uint16_t port) {
  return {*proxy::parse_ip(ip), Port{port}};
}

std::string_view name_of(const Attribute& expression) {
  std::string_view name;
  for_each_attribute(expression.payload, [&](const Attribute& part) {
    if (part.type == NFTA_EXPR_NAME) name = part.text();
  });
  return name;
}

void put_counter(AttributeWriter& out, std::uint64_t packets) {
  const auto element = out.open(NFTA_LIST_ELEM);
  out.put_text(NFTA_EXPR_NAME, "counter");
  const auto data = out.open(NFTA_EXPR_DATA);
  out.put_be64(NFTA_COUNTER_BYTES, packets * 60);
  out.put_be64(NFTA_COUNTER_PACKETS, packets);
  out.close(data);
  out.close(element);
}

// As we wrote it, but for the counter, which has counted.
std::vector<std::byte> dumped(Family family, const Rule& rule, std::uint64_t packets) {
  std::vector<std::byte> written;
  encode_rule(family, rule, written);
  std::vector<std::byte> bytes;
  AttributeWriter out{bytes};
  for_each_attribute(written, [&](const Attribute& attribute) {
    if (attribute.type != NFTA_RULE_EXPRESSIONS) return out.put(attribute.type, attribute.payload);
    const auto expressions = out.open(NFTA_RULE_EXPRESSIONS);
    for_each_attribute(attribute.payload, [&](const Attribute& expression) {
      if (name_of(expression) == "counter") return put_counter(out, packets);
      out.put(expression.type, expression.payload);
    });
    out.close(expressions);
  });
  return bytes;
}

Rule translation(const Endpoint& to) {
  Rule rule;
  rule.protocol = Protocol::tcp;
  rule.probability = 1U << 30U;
  rule.target = Dnat{to.address, to.port};
  rule.comment = "ns1/web:http";
  return rule;
}

TEST(TranslationCount, IsOfTheEndpointThatTheRuleTranslatesTo) {
  const auto v4 = endpoint("10.180.0.1", 8080);
  EXPECT_EQ(parse_translation_count(Family::v4, dumped(Family::v4, translation(v4), 7)),
            (TranslationCount{v4, 7}));
  const auto v6 = endpoint("fd00:10:180::1", 65535);
  EXPECT_EQ(
      parse_translation_count(Family::v6, dumped(Family::v6, translation(v6), 0x1234'5678'9abc)),
      (TranslationCount{v6, 0x1234'5678'9abc}));
}

TEST(TranslationCount, IsNoneOfOtherRulesNorOfThoseOfOthers) {
  Rule jump;
  jump.target = Jump{"KUBE-SEP-X"};
  EXPECT_FALSE(parse_translation_count(Family::v4, dumped(Family::v4, jump, 7)));

  const auto rule = dumped(Family::v4, translation(endpoint("10.180.0.1", 80)), 7);
  std::vector<std::byte> unmarked;
  AttributeWriter out{unmarked};
  for_each_attribute(rule, [&](const Attribute& attribute) {
    if (attribute.type != NFTA_RULE_USERDATA) out.put(attribute.type, attribute.payload);
  });
  EXPECT_FALSE(parse_translation_count(Family::v4, unmarked));
}

TEST(TranslationCount, IsNoneOfAMessageThatEndsEarly) {
  const auto rule = dumped(Family::v4, translation(endpoint("10.180.0.1", 80)), 7);
  for (std::size_t size = 0; size < rule.size(); ++size) {
    const auto count = parse_translation_count(Family::v4, std::span{rule}.first(size));
    EXPECT_FALSE(count) << size;
  }
}

}  // namespace
}  // namespace modes::netfilter
