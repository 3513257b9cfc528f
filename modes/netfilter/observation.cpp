#include "modes/netfilter/observation.hpp"

#include "modes/netfilter/nf_tables_messages.hpp"

#include <linux/netfilter/nf_tables.h>

#include <string_view>

namespace modes::netfilter {
namespace {

std::optional<Table> parse_table(std::string_view name) {
  for (const auto table : kTables) {
    if (name == to_string(table)) return table;
  }
  return std::nullopt;
}

// The chain that a verdict in an `immediate` expression's data names.
std::string_view verdict_chain(Bytes expression_data) {
  std::string_view chain;
  for_each_attribute(expression_data, [&](const Attribute& data) {
    if (data.type != NFTA_IMMEDIATE_DATA) return;
    for_each_attribute(data.payload, [&](const Attribute& verdict) {
      if (verdict.type != NFTA_DATA_VERDICT) return;
      for_each_attribute(verdict.payload, [&](const Attribute& field) {
        if (field.type == NFTA_VERDICT_CHAIN) chain = field.text();
      });
    });
  });
  return chain;
}

std::string_view jump_target(Bytes expressions) {
  std::string_view chain;
  for_each_attribute(expressions, [&](const Attribute& element) {
    std::string_view name;
    Bytes data;
    for_each_attribute(element.payload, [&](const Attribute& part) {
      if (part.type == NFTA_EXPR_NAME) name = part.text();
      if (part.type == NFTA_EXPR_DATA) data = part.payload;
    });
    if (name == "immediate") {
      if (const auto to = verdict_chain(data); !to.empty()) chain = to;
    }
  });
  return chain;
}

std::optional<ChainKey> chain_key(Family family, std::string_view table_name,
                                  std::string_view chain) {
  const auto table = parse_table(table_name);
  if (!table || chain.empty() || chain.size() > ChainName::kMaxSize) return std::nullopt;
  return ChainKey{family, *table, ChainName{chain}};
}

}  // namespace

std::optional<RuleMessage> parse_rule(Family family, Bytes attributes) {
  std::string_view table;
  std::string_view chain;
  RuleMessage out;
  for_each_attribute(attributes, [&](const Attribute& attribute) {
    switch (attribute.type) {
      case NFTA_RULE_TABLE:
        table = attribute.text();
        break;
      case NFTA_RULE_CHAIN:
        chain = attribute.text();
        break;
      case NFTA_RULE_HANDLE:
        out.rule.handle = attribute.be64().value_or(0);
        break;
      case NFTA_RULE_USERDATA:
        out.rule.ours = our_digest(attribute.payload);
        break;
      case NFTA_RULE_EXPRESSIONS:
        if (const auto to = jump_target(attribute.payload);
            !to.empty() && to.size() <= ChainName::kMaxSize) {
          out.rule.jumps_to = ChainName{to};
        }
        break;
      default:
        break;
    }
  });
  const auto key = chain_key(family, table, chain);
  if (!key) return std::nullopt;
  out.chain = *key;
  return out;
}

std::optional<ChainMessage> parse_chain(Family family, Bytes attributes) {
  std::string_view table;
  std::string_view name;
  ChainMessage out;
  for_each_attribute(attributes, [&](const Attribute& attribute) {
    switch (attribute.type) {
      case NFTA_CHAIN_TABLE:
        table = attribute.text();
        break;
      case NFTA_CHAIN_NAME:
        name = attribute.text();
        break;
      case NFTA_CHAIN_HOOK:
        out.base = true;
        break;
      case NFTA_CHAIN_USERDATA:
        out.marked = is_ownership_mark(attribute.payload);
        break;
      default:
        break;
    }
  });
  const auto key = chain_key(family, table, name);
  if (!key) return std::nullopt;
  out.chain = *key;
  return out;
}

void ObservationReader::read(const Message& message) {
  const auto type = nf_tables_type(message);
  if (type < 0) return;
  const auto family = ip_family(message);
  if (!family) return;
  switch (type) {
    case NFT_MSG_NEWTABLE:
      return read_table(*family, message.attributes());
    case NFT_MSG_NEWCHAIN:
      return read_chain(*family, message.attributes());
    case NFT_MSG_NEWRULE:
      return read_rule(*family, message.attributes());
    default:
      return;
  }
}

void ObservationReader::read_table(Family family, Bytes attributes) {
  std::optional<Table> table;
  bool marked = false;
  for_each_attribute(attributes, [&](const Attribute& attribute) {
    if (attribute.type == NFTA_TABLE_NAME) table = parse_table(attribute.text());
    if (attribute.type == NFTA_TABLE_USERDATA) marked = is_ownership_mark(attribute.payload);
  });
  if (table) into_.tables[{family, *table}] = marked;
}

void ObservationReader::read_chain(Family family, Bytes attributes) {
  const auto chain = parse_chain(family, attributes);
  if (!chain) {
    for_each_attribute(attributes, [&](const Attribute& attribute) {
      if (attribute.type != NFTA_CHAIN_TABLE) return;
      if (const auto table = parse_table(attribute.text()))
        into_.foreign_chains.emplace(family, *table);
    });
    return;
  }
  auto& entry = into_.chains[chain->chain];
  entry.base = chain->base;
  entry.marked = chain->marked;
}

void ObservationReader::read_rule(Family family, Bytes attributes) {
  const auto message = parse_rule(family, attributes);
  if (!message) return;
  const auto& rule = message->rule;
  auto& chain = into_.chains[message->chain];
  if (rule.ours) {
    ++chain.our_rules;
    chain.digest = chain_digest(chain.digest, *rule.ours);
  } else {
    ++chain.foreign_rules;
    if (!rule.jumps_to.empty()) into_.foreign_jumps.emplace_back(message->chain, rule.jumps_to);
  }
  if (chain.base || itemised_(message->chain)) chain.rules.push_back(rule);
}

}  // namespace modes::netfilter
