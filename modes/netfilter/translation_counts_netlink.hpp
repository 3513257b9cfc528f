// Asks the kernel what rules have counted, on a socket of its own and so in nobody's way: a dump
// takes no lock that a commit waits for.
#pragma once

#include "modes/netfilter/chain.hpp"
#include "modes/netfilter/nfnetlink_socket.hpp"
#include "modes/netfilter/translation_counts.hpp"

#include <vector>

namespace modes::netfilter {

class TranslationCounts {
 public:
  // In the network namespace of the calling thread.
  [[nodiscard]] static Result<TranslationCounts> open();

  // Of all rules of the chain, in their order, at one moment; none if there is no such chain.
  // Does not wait; takes some ten microseconds. Fails with EAGAIN if the chain never stops
  // changing.
  [[nodiscard]] Result<std::vector<TranslationCount>> read(const ChainKey& chain);

 private:
  explicit TranslationCounts(NfnetlinkSocket socket) : socket_{std::move(socket)} {}

  // False when the ruleset changed meanwhile (NLM_F_DUMP_INTR).
  Result<bool> read_once(const ChainKey& chain, std::vector<TranslationCount>& into);

  NfnetlinkSocket socket_;
  std::vector<std::byte> request_;
};

}  // namespace modes::netfilter
