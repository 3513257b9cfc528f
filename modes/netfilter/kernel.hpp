// The kernel's nf_tables as a mode's applier sees it: an interface, so that a test can put a fake
// in its place that fails where the real one cannot be made to.
#pragma once

#include "modes/mode.hpp"
#include "modes/netfilter/observation.hpp"
#include "modes/netfilter/transaction.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace modes::netfilter {

// A refused operation. `rule` is the index within a RewriteChain.
struct RefusedOperation {
  std::uint32_t operation = 0;
  std::uint32_t rule = 0;
  Error error;
};

struct CommitResult {
  enum class Kind : std::uint8_t {
    committed,
    stale,    // somebody else has committed since `generation`; nothing was done
    refused,  // the kernel does not take some operations; nothing was done
  };
  Kind kind = Kind::committed;
  std::uint32_t generation = 0;  // committed: of the ruleset now
  std::vector<RefusedOperation> refused;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual Result<std::uint32_t> generation() = 0;
  // A consistent view: begun again when the ruleset changed under it.
  virtual Awaitable<Result<Observation>> observe(std::function<bool(const ChainKey&)> itemised) = 0;
  // All of it or nothing. An Error is a fault that says nothing about single operations (no
  // memory, no permission).
  virtual Result<CommitResult> commit(const Transaction& transaction, std::uint32_t generation) = 0;
};

}  // namespace modes::netfilter
