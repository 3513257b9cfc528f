#include "bench/mode_writer.hpp"

#include "bench/report.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <utility>

namespace bench {

void ModeWriter::use(modes::Result<std::unique_ptr<modes::Mode>> mode) {
  if (!mode) fail(mode.error().text());
  mode_ = std::move(*mode);
}

modes::SyncReport ModeWriter::reconcile(const proxy::state::ServiceTable& table) {
  return run(mode_->reconcile(table));
}

modes::SyncReport ModeWriter::sync(proxy::state::ServiceTable& table) {
  const auto changed = table.take_changes();
  return run(mode_->sync(table, changed));
}

modes::SyncReport ModeWriter::run(modes::Awaitable<modes::Result<modes::SyncReport>> work) {
  auto done = boost::asio::co_spawn(io_, std::move(work), boost::asio::use_future);
  // Not until the loop is empty: a mode may have timers of its own.
  io_.restart();
  while (done.wait_for(std::chrono::seconds{0}) != std::future_status::ready) io_.run_one();
  auto report = done.get();
  if (!report) fail(report.error().text());
  return *report;
}

}  // namespace bench
