// Keeps connection tracking in step with what a mode writes to the kernel: told of each sync, it
// deletes the flows that became stale, at one walk of the kernel's table a second (a few at once
// after a quiet time).
//
// Lives on the control thread; the walks are made on a thread of their own, which nobody waits for.
// What is told while a walk is under way or rationed adds up and shares the next one.
#pragma once

#include "modes/mode.hpp"
#include "modes/netfilter/conntrack_ledger.hpp"
#include "modes/netfilter/conntrack_netlink.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace modes::netfilter {

class ConntrackCleaner {
 public:
  struct Report {
    Result<ConntrackCleanup> outcome;
    std::chrono::duration<double> took{};  // on the walking thread
  };
  // Both are called on the control thread, the second after each cleanup. A failed one is tried
  // again a second later, together with what is owed by then.
  struct Hooks {
    std::function<std::vector<IpAddress>()> node_addresses;
    std::function<void(const Report&)> report;
  };

  // A `report` that tells of failures in words; of one that lasts, once.
  [[nodiscard]] static std::function<void(const Report&)> failures_to(
      std::function<void(const std::string&)> tell);

  // `control` is the executor of the thread that owns everything. Opens its sockets in the network
  // namespace of the calling thread; fails where the kernel has no nfnetlink.
  [[nodiscard]] static Result<std::unique_ptr<ConntrackCleaner>> open(
      boost::asio::any_io_executor control, Hooks hooks);
  // Waits for a walk that is under way. What is still owed is dropped.
  ~ConntrackCleaner();
  ConntrackCleaner(const ConntrackCleaner&) = delete;
  ConntrackCleaner& operator=(const ConntrackCleaner&) = delete;

  // What is about to be written to the kernel, and then that all of it was: ConntrackLedger.
  void note(const ServiceTable& table, std::span<const ServicePortName> changed);
  void note_all(const ServiceTable& table);
  void written();

  // Flows deleted (those the kernel counted for us), cleanups and how long they took.
  [[nodiscard]] std::vector<Mode::Figure> figures() const;

 private:
  struct Work;
  explicit ConntrackCleaner(std::shared_ptr<Work> work);

  std::shared_ptr<Work> work_;  // shared with the coroutine that does it
};

}  // namespace modes::netfilter
