#include "proxy/status/reporter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace proxy::status {
namespace {

using namespace std::chrono_literals;

double milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>{duration}.count();
}

std::string full_name(const state::ServicePortName& name) {
  return fmt::format("{} ({} {})", name.text(), upper_name(name.protocol), to_string(name.family));
}

std::string author_of(const modes::OutsideChange& change) {
  if (change.process_id == 0 && change.process_name.empty()) return "an unknown process";
  return fmt::format("{} (process {})",
                     change.process_name.empty() ? "a process" : change.process_name,
                     change.process_id);
}

SyncKind kind_of(sync::Cause cause) {
  return sync::is_reconcile(cause) ? SyncKind::full : SyncKind::partial;
}

}  // namespace

Reporter::Reporter(ReporterParts parts) : parts_{std::move(parts)}, latency_{parts_.now().wall} {}

void Reporter::records_replaced(std::size_t count) {
  parts_.log.info(fmt::format("{} records read: {} service ports with {} endpoints to forward",
                              count, parts_.table.size(), parts_.table.endpoint_count()));
  records_changed();
}

void Reporter::about_to_change(const std::vector<sources::Change>& changes) {
  std::size_t services = 0;
  std::size_t endpoints = 0;
  for (const auto& change : changes) {
    const auto* record = std::get_if<records::Record>(&change);
    const auto kind =
        record != nullptr ? records::kind_of(*record) : std::get<sources::Removal>(change).key.kind;
    if (kind == records::Kind::service) ++services;
    if (kind == records::Kind::endpoint_slice || kind == records::Kind::endpoints) ++endpoints;
    if (record == nullptr) continue;
    if (const auto* slice = std::get_if<records::EndpointSlice>(record)) latency_.changed(*slice);
  }
  parts_.metrics.service_changes(services);
  parts_.metrics.endpoint_changes(endpoints);
}

void Reporter::records_changed() {
  if (const auto* node = parts_.table.node()) parts_.health.node_seen(*node);
}

void Reporter::problems_changed(const std::vector<sources::Problem>& added,
                                const std::vector<sources::Problem>& gone) {
  for (const auto& problem : added) {
    parts_.log.warning(fmt::format("{}: {}", problem.where, problem.what));
  }
  for (const auto& problem : gone) {
    parts_.log.info(fmt::format("{}: no longer: {}", problem.where, problem.what));
  }
}

void Reporter::queued() {
  const auto now = parts_.now();
  for (const auto family : kFamilies) parts_.health.queued(family, now);
  parts_.metrics.queued(now.wall);
}

void Reporter::began(sync::Cause /*cause*/) {
  for (const auto family : kFamilies) parts_.health.began(family);
  latency_.sync_began();
}

void Reporter::finished(const sync::Outcome& outcome) {
  if (outcome.report) {
    succeeded(outcome, *outcome.report);
  } else {
    failed(outcome, outcome.report.error());
  }
}

void Reporter::succeeded(const sync::Outcome& outcome, const modes::SyncReport& report) {
  const auto now = parts_.now();
  for (const auto family : kFamilies) parts_.health.updated(family, now);
  for (const auto& sample : latency_.sync_succeeded(now.wall)) {
    parts_.metrics.programmed(sample.family, sample.latency);
  }
  // A change of nothing that is forwarded was no sync: the mode was not called.
  if (!sync::is_reconcile(outcome.cause) && outcome.changed == 0) return;

  parts_.metrics.sync_succeeded(kind_of(outcome.cause), to_string(outcome.cause), outcome.duration,
                                now.wall);
  parts_.metrics.wrote(report.transactions, report.operations);
  const bool mended = sync::is_reconcile(outcome.cause) && last_sync_ && report.operations != 0;
  if (mended && (tampered_ || outcome.cause == sync::Cause::period)) parts_.metrics.repaired();
  if (failure_) {
    parts_.log.info(fmt::format("synced again after {} failures", failure_->in_a_row));
    failure_.reset();
  }
  say_what_was_done(outcome, report);
  last_sync_ = {.cause = std::string{to_string(outcome.cause)},
                .at = now,
                .duration = outcome.duration,
                .transactions = report.transactions,
                .operations = report.operations};

  remember({to_string(outcome.cause), now, outcome.duration, report.operations, true});

  const auto news = set_aside_.update(report.set_aside);
  for (const auto& entry : news.added) {
    parts_.log.error(fmt::format("{} is set aside: {}", full_name(entry.name), entry.error.text()));
  }
  for (const auto& name : news.back) {
    parts_.log.info(fmt::format("{} is no longer set aside", full_name(name)));
  }
  say_remarks();
}

void Reporter::say_what_was_done(const sync::Outcome& outcome, const modes::SyncReport& report) {
  const auto figures = fmt::format("{} operations in {} transactions, {:.1f} ms", report.operations,
                                   report.transactions, milliseconds(outcome.duration));
  switch (outcome.cause) {
    case sync::Cause::start:
    case sync::Cause::retry:
      if (!last_sync_) {
        parts_.log.info(
            fmt::format("all {} service ports are in force: {}", parts_.table.size(), figures));
        return;
      }
      break;
    case sync::Cause::outside_change:
      if (report.operations != 0) {
        parts_.log.info(fmt::format("{}: {}",
                                    tampered_ ? "repaired what somebody else had changed"
                                              : "this node's addresses changed, rules follow",
                                    figures));
        tampered_ = false;
        return;
      }
      tampered_ = false;
      break;
    case sync::Cause::period:
      if (report.operations != 0) {
        parts_.log.warning(fmt::format("what was in force differed and was mended: {}", figures));
        return;
      }
      break;
    case sync::Cause::change:
      break;
  }
  if (parts_.log.shows(4)) {
    parts_.log.detail(4, fmt::format("sync ({}) of {} service ports: {}", to_string(outcome.cause),
                                     outcome.changed, figures));
  }
}

void Reporter::failed(const sync::Outcome& outcome, const Error& error) {
  const auto now = parts_.now();
  parts_.metrics.sync_failed(kind_of(outcome.cause), to_string(outcome.cause));
  remember({to_string(outcome.cause), now, outcome.duration, 0, false});
  failure_ = {
      .error = error.text(), .in_a_row = outcome.failures, .at = now, .retry_in = outcome.retry_in};
  parts_.log.error(fmt::format("sync ({}) failed, attempt {}, next in {:.0f} ms: {}",
                               to_string(outcome.cause), outcome.failures,
                               milliseconds(outcome.retry_in), error.text()));
}

void Reporter::remember(const SyncRecord& record) {
  if (history_.size() == kMostRecords) history_.pop_front();
  history_.push_back(record);
}

// A program that fights us would fill the log: the same one is named at most once a second, and
// every change counts in the metrics.
void Reporter::noticed(const modes::OutsideChange& change) {
  if (change.kind == modes::OutsideChange::Kind::node_addresses) return;
  tampered_ = true;
  parts_.metrics.outside_change();
  ++outside_changes_;
  const auto now = parts_.now();
  const bool same_author = change.process_id == last_noticed_.process_id &&
                           change.process_name == last_noticed_.process_name;
  if (noticed_said_ && same_author && now.steady - noticed_said_->steady < 1s) return;
  parts_.log.warning(
      fmt::format("{} changed what this proxy had written; repairing it", author_of(change)));
  last_noticed_ = change;
  noticed_said_ = now;
}

void Reporter::say_remarks() {
  auto remarks = parts_.table.remarks();
  if (remarks == remarks_) return;
  std::ranges::sort(remarks);
  std::vector<sources::Problem> added;
  std::ranges::set_difference(remarks, remarks_, std::back_inserter(added));
  for (const auto& remark : added) {
    parts_.log.warning(fmt::format("{}: {}", remark.where, remark.what));
  }
  remarks_ = std::move(remarks);
}

}  // namespace proxy::status
