// Rules as the kernel's netlink attributes, encoded the way the iptables-nft tool does, so that
// iptables-save prints them as ordinary rules (linux/netfilter/nf_tables.h, nf_tables_compat.h).
//
// Of several encodings the oldest is used that all versions of iptables-nft read: ports and marks
// by the xt matches, addresses as payload + bitwise + cmp. Comments go to the rule's userdata.
#pragma once

#include "modes/netfilter/rule.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace modes::netfilter {

// A 64-bit digest of what was written. Equal rules have equal digests on every run and machine.
using Digest = std::uint64_t;

// Appends attributes NFTA_RULE_EXPRESSIONS, NFTA_RULE_COMPAT and NFTA_RULE_USERDATA of `rule` to
// `out`, and returns the digest of all of it. The userdata holds the comment (type 0) and a private
// TLV with the digest, by which the rule is known as ours when it is read back.
Digest encode_rule(Family family, const Rule& rule, std::vector<std::byte>& out);

// The digest alone.
[[nodiscard]] Digest digest(Family family, const Rule& rule);

// A chain's digest from those of its rules, in order: start with 0.
[[nodiscard]] Digest chain_digest(Digest so_far, Digest rule);

// The digest in a rule's userdata if the rule is ours, written by a version with the same encoding;
// nullopt for any other bytes. Hostile input is fine.
[[nodiscard]] std::optional<Digest> our_digest(std::span<const std::byte> userdata);

// What marks a table or chain as created by us (NFTA_TABLE_USERDATA, NFTA_CHAIN_USERDATA), and the
// test for it.
[[nodiscard]] std::span<const std::byte> ownership_mark();
[[nodiscard]] bool is_ownership_mark(std::span<const std::byte> userdata);

// The chance of one in `remaining` as iptables parses what kube-proxy prints with 10 decimals.
// Requires remaining >= 1 and chosen <= remaining; 0 ("always") when chosen == remaining.
[[nodiscard]] std::uint32_t probability_of(std::uint32_t chosen, std::uint32_t remaining);

}  // namespace modes::netfilter
