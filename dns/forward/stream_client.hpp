// A connection to an upstream over TCP or TLS on which many questions travel at once.
//
// Opened by the first question, closed after it has been idle for a while (RFC 7766 §6.2.3).
// Replies may come in any order; they are told apart by their id.
#pragma once

#include "dns/forward/options.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <vector>

namespace dns::forward {

namespace asio = boost::asio;

class StreamClient {
 public:
  StreamClient(asio::any_io_executor executor, UpstreamAddress address);
  ~StreamClient();
  StreamClient(const StreamClient&) = delete;
  StreamClient& operator=(const StreamClient&) = delete;

  // Sends `query` under an id of the connection's own and returns the reply under that of the
  // query. Fails with timed_out at the deadline and with what connecting, the handshake
  // (certificate and name are checked) or the connection say. A connection that turns out closed is
  // opened anew, once.
  asio::awaitable<Result<std::vector<std::uint8_t>>> exchange(
      std::vector<std::uint8_t> query, std::chrono::steady_clock::time_point deadline);

  void stop();

 private:
  struct Connection;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dns::forward
