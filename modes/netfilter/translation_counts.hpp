// How often rules have translated to an endpoint: what a DNAT rule of ours has counted.
//
// In table nat a rule is met once for each connection, so packets there are connections, and bytes
// are those of first packets alone.
#pragma once

#include "modes/netfilter/attribute_reader.hpp"
#include "proxy/state/endpoint_list.hpp"

#include <cstdint>
#include <optional>

namespace modes::netfilter {

struct TranslationCount {
  proxy::state::Endpoint to;
  std::uint64_t connections = 0;

  friend bool operator==(const TranslationCount&, const TranslationCount&) = default;
};

// Of the attributes of a rule message (NFT_MSG_NEWRULE); nullopt if the rule is not ours, does not
// translate to an endpoint, or is malformed. Any bytes are safe.
[[nodiscard]] std::optional<TranslationCount> parse_translation_count(proxy::Family family,
                                                                      Bytes attributes);

}  // namespace modes::netfilter
