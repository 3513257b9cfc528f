// The whole contract between the daemon and a mode.
//
// A mode makes the kernel, or sockets of its own, forward what a ServiceTable says. It runs on the
// control thread's io_context, one call at a time (proxy/sync/ sees to that), and keeps what it
// last wrote and saw acknowledged, so that a change costs what changed. The table may go on
// changing while a call waits for the kernel; what changes meanwhile comes with the next call.
#pragma once

#include "modes/traffic.hpp"
#include "proxy/result.hpp"
#include "proxy/state/service_table.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace modes {

using proxy::Error;
using proxy::Result;
using proxy::state::ServicePortName;
using proxy::state::ServiceTable;
template <class T>
using Awaitable = boost::asio::awaitable<T>;

// A service port that the kernel refused. It is left out, all others are in force; the mode tries
// it again when it changes and at every reconcile.
struct SetAside {
  ServicePortName name;
  Error error;
};

struct SyncReport {
  std::size_t transactions =
      0;                       // kernel transactions that were committed; 0: nothing had to change
  std::size_t operations = 0;  // messages in them
  std::vector<SetAside> set_aside;  // all that are set aside now, not only those of this call
};

// Why everything has to be looked at anew.
struct OutsideChange {
  // Somebody else changed what is ours, or the node's addresses changed, which it follows from.
  enum class Kind : std::uint8_t { tampering, node_addresses };
  Kind kind = Kind::tampering;
  std::uint32_t process_id = 0;  // of who tampered; 0: unknown
  std::string process_name;
};

class Mode {
 public:
  virtual ~Mode() = default;

  // Reads back what is really in the kernel and mends every difference to `wanted`: at start, after
  // an error, and periodically. Writes nothing when nothing differs. What others own stays.
  virtual Awaitable<Result<SyncReport>> reconcile(const ServiceTable& wanted) = 0;

  // Brings the named service ports, and nothing else, to what `wanted` says of them. Needs one
  // successful reconcile() before. After an error the kernel has either all or nothing of each
  // transaction, and only reconcile() may follow.
  virtual Awaitable<Result<SyncReport>> sync(const ServiceTable& wanted,
                                             std::span<const ServicePortName> changed) = 0;

  // Completes when somebody else has changed what is ours, or may have (a lost notification), and
  // when the node's addresses changed and rules follow them. Always awaited, also while reconcile()
  // or sync() runs; ends with an exception when it is cancelled.
  virtual Awaitable<OutsideChange> outside_change() = 0;

  // Where an operator finds what forwards this service port, a line each ("nat chain KUBE-SVC-…");
  // nothing where there is no such place.
  [[nodiscard]] virtual std::vector<std::string> places(const ServicePortName& /*name*/) const {
    return {};
  }

  // What has gone through these service ports until now: one for each, in their order; nothing in
  // it where nothing is known. May be awaited at any time, also while reconcile() or sync() runs,
  // which it does not hold up, but once at a time. Gives the loop its turn every millisecond or so.
  virtual Awaitable<std::vector<Traffic>> traffic(std::span<const ServicePortName> names) = 0;

  // Descriptors that listen, for a process that is to take this one's place without refusing
  // anybody meanwhile. They stay the mode's; valid until its next call.
  [[nodiscard]] virtual std::vector<int> sockets_to_hand_over() const { return {}; }

  // Before shut_down(): another process of the same mode is about to do the same, and begins when
  // this one's admin socket is closed.
  virtual void expect_successor() {}

  // Called before the process ends in good order; kernel rules stay where they need no process.
  virtual Awaitable<void> shut_down() = 0;

  // Figures for metrics: name (as in the metrics' table of kube-proxy or viaduct_…), labels, value.
  struct Histogram {
    double sum = 0;
    std::uint64_t count = 0;
    std::vector<std::pair<double, std::uint64_t>> up_to;  // upper bound, how many are at most that
  };
  struct Figure {
    std::string name;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
    std::optional<Histogram> histogram = std::nullopt;  // instead of a value
  };
  [[nodiscard]] virtual std::vector<Figure> figures() const = 0;
};

}  // namespace modes
