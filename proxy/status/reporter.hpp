// Hears of everything that happens to records and syncs, and tells it: to the log, to health, to
// the metrics, and to whoever asks for the status.
#pragma once

#include "proxy/log.hpp"
#include "proxy/status/health.hpp"
#include "proxy/status/metrics.hpp"
#include "proxy/sync/intake.hpp"
#include "proxy/sync/programming_latency.hpp"
#include "proxy/sync/scheduler.hpp"
#include "proxy/sync/set_aside.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace proxy::status {

struct ReporterParts {
  Log& log;
  Health& health;
  Metrics& metrics;
  const state::ServiceTable& table;
  std::function<Moment()> now;
};

// What is known of the last sync.
struct LastSync {
  std::string cause;
  Moment at;  // its end
  std::chrono::nanoseconds duration{0};
  std::size_t transactions = 0;
  std::size_t operations = 0;
};
// One of the latest syncs, for whoever wants to see how they went.
struct SyncRecord {
  std::string_view cause;  // as in sync::to_string
  Moment at;               // its end
  std::chrono::nanoseconds duration{0};
  std::size_t operations = 0;
  bool succeeded = true;
};
struct LastFailure {
  std::string error;
  int in_a_row = 0;
  Moment at;
  std::chrono::nanoseconds retry_in{0};
};

class Reporter final : public sync::Observer {
 public:
  explicit Reporter(ReporterParts parts);

  // Records, as they come in. The table holds them already, but in about_to_change().
  void records_replaced(std::size_t count);
  void about_to_change(const std::vector<sources::Change>& changes);
  void records_changed();
  void problems_changed(const std::vector<sources::Problem>& added,
                        const std::vector<sources::Problem>& gone);

  void queued() override;
  void began(sync::Cause cause) override;
  void finished(const sync::Outcome& outcome) override;
  void noticed(const modes::OutsideChange& change) override;

  [[nodiscard]] const std::optional<LastSync>& last_sync() const { return last_sync_; }
  // The latest kMostRecords, oldest first.
  static constexpr std::size_t kMostRecords = 240;
  [[nodiscard]] const std::deque<SyncRecord>& history() const { return history_; }
  // Empty while syncs succeed.
  [[nodiscard]] const std::optional<LastFailure>& failure() const { return failure_; }
  [[nodiscard]] const sync::SetAsideBook& set_aside() const { return set_aside_; }
  [[nodiscard]] std::size_t outside_changes() const { return outside_changes_; }

 private:
  void succeeded(const sync::Outcome& outcome, const modes::SyncReport& report);
  void failed(const sync::Outcome& outcome, const Error& error);
  void say_what_was_done(const sync::Outcome& outcome, const modes::SyncReport& report);
  void say_remarks();
  void remember(const SyncRecord& record);

  ReporterParts parts_;
  sync::ProgrammingLatency latency_;
  sync::SetAsideBook set_aside_;
  std::vector<sources::Problem> remarks_;  // those that were said
  std::optional<LastSync> last_sync_;
  std::optional<LastFailure> failure_;
  std::deque<SyncRecord> history_;
  std::size_t outside_changes_ = 0;
  bool tampered_ = false;  // since the last repair
  modes::OutsideChange last_noticed_;
  std::optional<Moment> noticed_said_;  // when a line about it was last written
};

}  // namespace proxy::status
