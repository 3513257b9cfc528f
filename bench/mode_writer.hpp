// The iptables mode without a daemon around it: writes tables into the network namespace in which
// it was made. Prints an error and ends the process when that fails.
#pragma once

#include "modes/mode.hpp"
#include "proxy/state/service_table.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>

namespace bench {

class IptablesWriter {
 public:
  IptablesWriter();
  modes::SyncReport reconcile(const proxy::state::ServiceTable& table);
  modes::SyncReport sync(proxy::state::ServiceTable& table);  // what changed since the last time

 private:
  modes::SyncReport run(modes::Awaitable<modes::Result<modes::SyncReport>> work);

  boost::asio::io_context io_;
  std::unique_ptr<modes::Mode> mode_;
};

}  // namespace bench
