// Keeps our private tables in the kernel: what is steered to our sockets, and what is refused.
//
// Applies what elements.hpp and chains.hpp decide. One transaction for both families each time; a
// rebuild deletes and makes the tables in one, so that no packet sees a gap. Nobody else can change
// the tables (private_table.hpp), so what was acknowledged is what is there.
#pragma once

#include "modes/mode.hpp"
#include "modes/netfilter/private_table.hpp"
#include "modes/userspace/steering/chains.hpp"
#include "modes/userspace/steering/elements.hpp"

#include <map>
#include <span>

namespace modes::userspace::steering {

using FactsByFamily = std::array<Facts, proxy::kFamilies.size()>;

class Steering {
 public:
  // In the network namespace of the calling thread; needs CAP_NET_ADMIN. Where a process that runs
  // has the tables, ours bear the second name: while one takes over from the other, both steer.
  [[nodiscard]] static Result<Steering> open(const Settings& settings);

  // Makes the kernel's tables what `wanted` says, whatever they were. Writes nothing if nothing
  // differs.
  [[nodiscard]] Result<SyncReport> reconcile(const ServiceTable& wanted,
                                             const FactsByFamily& facts);
  // The same for the named service ports only; requires a successful reconcile() before.
  [[nodiscard]] Result<SyncReport> update(const ServiceTable& wanted,
                                          std::span<const ServicePortName> changed);
  // Takes the tables away.
  [[nodiscard]] Result<void> remove();

  // Does another process steer as well?
  [[nodiscard]] bool has_successor();

 private:
  Steering(const Settings& settings, netfilter::NfnetlinkSocket socket, const char* table)
      : settings_{settings}, socket_{std::move(socket)}, table_{table} {}

  struct Changes;
  [[nodiscard]] Elements wanted_elements(const ServiceTable& wanted,
                                         const ServicePortName& name) const;
  [[nodiscard]] Result<bool> in_place();
  [[nodiscard]] Result<SyncReport> rebuild(const ServiceTable& wanted);

  const Settings& settings_;
  netfilter::NfnetlinkSocket socket_;
  const char* table_;
  FactsByFamily facts_;
  bool built_ = false;
  std::map<ServicePortName, Elements> acknowledged_;  // those with elements
};

}  // namespace modes::userspace::steering
