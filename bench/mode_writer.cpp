#include "bench/iptables_writer.hpp"

#include "bench/report.hpp"
#include "bench/synthetic_cluster.hpp"
#include "modes/iptables/iptables_mode.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <utility>

namespace bench {

IptablesWriter::IptablesWriter() {
  modes::iptables::Settings settings;
  settings.local = modes::iptables::LocalByPrefix{{cluster_cidr()}};
  auto mode = modes::iptables::make_iptables_mode(io_.get_executor(), settings, [](const auto&) {});
  if (!mode) fail(mode.error().text());
  mode_ = std::move(*mode);
}

modes::SyncReport IptablesWriter::reconcile(const proxy::state::ServiceTable& table) {
  return run(mode_->reconcile(table));
}

modes::SyncReport IptablesWriter::sync(proxy::state::ServiceTable& table) {
  const auto changed = table.take_changes();
  return run(mode_->sync(table, changed));
}

modes::SyncReport IptablesWriter::run(modes::Awaitable<modes::Result<modes::SyncReport>> work) {
  auto done = boost::asio::co_spawn(io_, std::move(work), boost::asio::use_future);
  io_.restart();
  io_.run();
  auto report = done.get();
  if (!report) fail(report.error().text());
  return *report;
}

}  // namespace bench
