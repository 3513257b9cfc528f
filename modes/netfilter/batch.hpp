// A Transaction as one nfnetlink batch (linux/netfilter/nfnetlink.h NFNL_MSG_BATCH_BEGIN … END).
#pragma once

#include "modes/netfilter/attribute_reader.hpp"
#include "modes/netfilter/transaction.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace modes::netfilter {

// A message of the batch, for mapping an acknowledgement back: which operation, and of which rule.
struct BatchPlace {
  std::uint32_t operation = 0;  // index into the transaction
  std::uint32_t rule = 0;       // within RewriteChain
};

struct Batch {
  std::vector<std::byte> bytes;
  std::uint32_t begin_sequence = 0;  // the first message of `places` has the one behind it
  std::vector<BatchPlace> places;
};

// `generation` is the ruleset's generation that the transaction was planned against: the kernel
// refuses it with ERESTART if anybody has committed something since (NFNL_BATCH_GENID).
// Sequence numbers begin at `first_sequence`. Reuses the capacity of `into`.
void encode_batch(const Transaction& transaction, std::uint32_t generation,
                  std::uint32_t first_sequence, Batch& into);

struct Refusal {
  std::optional<BatchPlace> place;  // nullopt: of the batch as a whole
  int error = 0;                    // errno
  std::string text;                 // the kernel's words, if it has any
};

// The refusals in a datagram of acknowledgements of `batch`.
void collect_refusals(const Batch& batch, Bytes datagram, std::vector<Refusal>& into);

}  // namespace modes::netfilter
