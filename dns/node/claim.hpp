// The nf_tables rules that let queries for some addresses past connection tracking, and the note
// that goes with them: whose they are, and which addresses.
//
// Pure: netlink bytes out and in. One table of family inet holds it all, so that it comes, changes
// and goes in one transaction. Its user data is the note: after a crash it says what has to be
// taken away, and a process that ends sees whether a successor has taken over.
#pragma once

#include "modes/netfilter/attribute_reader.hpp"
#include "proxy/config/values.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace dns::node {

struct Claim {
  std::uint64_t owner = 0;                                // random, one for each process
  std::vector<proxy::config::SocketAddress> addresses{};  // at most kMaxAddresses

  friend bool operator==(const Claim&, const Claim&) = default;
};
inline constexpr std::size_t kMaxAddresses = 8;  // user data has 256 bytes

inline constexpr const char* kTable = "viaduct-dns";

// An nfnetlink batch that puts the claim in place of any earlier one. Queries (to these addresses
// and ports, UDP and TCP) and replies (from them) are not tracked, neither those of pods nor those
// of the node itself. What is not tracked is not translated: the address's Service rules never see
// it.
[[nodiscard]] std::vector<std::byte> put_claim(const Claim& claim, std::uint32_t sequence);
// A batch that takes the table away; ENOENT if there is none.
[[nodiscard]] std::vector<std::byte> delete_claim(std::uint32_t sequence);
// The request for the claim in force; ENOENT if there is none.
[[nodiscard]] std::vector<std::byte> get_claim(std::uint32_t sequence);

// The claim in the kernel's answer to get_claim(); nullopt for any other message. Ports are not
// kept.
[[nodiscard]] std::optional<Claim> parse_claim(const modes::netfilter::Message& message);

}  // namespace dns::node
