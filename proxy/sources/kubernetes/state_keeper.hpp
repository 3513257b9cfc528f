// Writes the state file now and then, on a thread of its own: disks may take seconds.
//
// Lives on the control thread's executor; only write_state() runs elsewhere, on an immutable copy.
#pragma once

#include "proxy/sources/kubernetes/state_file.hpp"
#include "proxy/sources/kubernetes/timing.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>

namespace proxy::sources::kubernetes {

class StateKeeper {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    std::filesystem::path path;
    std::vector<std::string> servers;
    Duration interval;  // at least between two writes
    // What is to be written. Called on the executor.
    std::function<std::vector<RecordBytes>()> records;
    // How it went; called on the executor.
    std::function<void(Result<void>)> written;
  };
  explicit StateKeeper(Parts parts);
  ~StateKeeper();  // waits until a write that is going on is through
  StateKeeper(const StateKeeper&) = delete;
  StateKeeper& operator=(const StateKeeper&) = delete;

  // There is something new to be written.
  void changed();
  // Writes at once what is not written yet; `written` is not called any more.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace proxy::sources::kubernetes
