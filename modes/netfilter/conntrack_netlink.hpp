// Deletes stale UDP flows from the kernel's connection tracking, over ctnetlink.
//
// Synchronous on purpose: the kernel walks its table inside the system call (about 40 ms for
// 200,000 flows), so it is the thread that has to be another one (conntrack_cleaner.hpp), not the
// wait. Memory does not grow with the table: of what a walk hands over, one datagram is looked at,
// and its stale flows deleted, before the next is fetched.
#pragma once

#include "modes/netfilter/conntrack_plan.hpp"
#include "modes/netfilter/nfnetlink_socket.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace modes::netfilter {

struct ConntrackCleanup {
  std::size_t walks = 0;  // of the kernel over its table
  std::size_t seen = 0;   // flows handed over to be judged
  // Flows deleted one by one, indexed by Family. The kernel does not say how many it deleted by
  // filter.
  std::array<std::size_t, proxy::kFamilies.size()> deleted{};
  bool complete = true;  // false: a walk was cut short each time it was tried
};

class ConntrackNetlink {
 public:
  // Deleting by filter came with Linux 6.12. It is tried where it may be used, and never again once
  // the kernel has refused it.
  enum class DeleteByFilter : std::uint8_t { if_known, never };

  // In the network namespace of the calling thread. Fails where the kernel has no ctnetlink.
  [[nodiscard]] static Result<ConntrackNetlink> open(
      DeleteByFilter by_filter = DeleteByFilter::if_known);

  // Applies the rules to the flows that are there, in at most `budget` walks or one per family,
  // not counting those that are tried again or that the kernel turns out not to know. A flow that
  // goes by itself meanwhile is no error. After an error some stale flows may remain; it may be
  // called again with the same rules.
  [[nodiscard]] Result<ConntrackCleanup> remove_stale(std::span<const ConntrackRule> rules,
                                                      std::span<const IpAddress> node_addresses,
                                                      std::size_t budget);

 private:
  ConntrackNetlink(NfnetlinkSocket walking, NfnetlinkSocket deleting, DeleteByFilter by_filter)
      : walking_{std::move(walking)}, deleting_{std::move(deleting)}, by_filter_{by_filter} {}

  Result<bool> delete_all(const ConntrackWalk& walk);
  Result<bool> judge_all(const ConntrackWalk& walk, const ConntrackJudge& judge,
                         ConntrackCleanup& done);
  Result<void> delete_batch(std::size_t& deleted);

  NfnetlinkSocket walking_;
  NfnetlinkSocket deleting_;  // a socket can't take requests in the middle of a dump
  DeleteByFilter by_filter_;
  std::vector<std::byte> batch_;  // requests to delete, of one datagram
  std::size_t in_batch_ = 0;
};

}  // namespace modes::netfilter
