// A mode without a daemon around it: writes tables into the network namespace in which it was made.
// Prints an error and ends the process when that fails.
#pragma once

#include "modes/mode.hpp"
#include "proxy/state/service_table.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>

namespace bench {

class ModeWriter {
 public:
  modes::SyncReport reconcile(const proxy::state::ServiceTable& table);
  modes::SyncReport sync(proxy::state::ServiceTable& table);  // what changed since the last time

 protected:
  ModeWriter() = default;
  boost::asio::any_io_executor executor() { return io_.get_executor(); }
  void use(modes::Result<std::unique_ptr<modes::Mode>> mode);

 private:
  modes::SyncReport run(modes::Awaitable<modes::Result<modes::SyncReport>> work);

  boost::asio::io_context io_;
  std::unique_ptr<modes::Mode> mode_;
};

}  // namespace bench
