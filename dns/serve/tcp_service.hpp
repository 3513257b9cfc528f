// DNS over TCP (RFC 7766): pipelined queries, answers as they come, bounded in every direction.
//
// Runs on one io_context, which is also the one that asks upstreams. Answers from the zone go out
// at once; forwarded ones when they arrive, perhaps out of order. A client that does not read is
// not read from either; one that says nothing is closed after a while.
#pragma once

#include "dns/serve/shared.hpp"
#include "proxy/config/values.hpp"
#include "proxy/log.hpp"
#include "proxy/result.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace dns::serve {

struct TcpLimits {
  std::size_t connections = 1000;            // beyond, the one that has been idle longest goes
  std::size_t connections_per_client = 100;  // more are closed as they come
  std::size_t pipelined = 128;               // forwarded queries in flight on one connection
  std::size_t unsent_bytes = 256 * 1024;     // above, no more queries are read
  std::chrono::milliseconds idle{10'000};    // between a reply and the next query
  std::chrono::milliseconds write{5'000};    // a client that takes nothing for so long is gone
};

class TcpService {
 public:
  TcpService(boost::asio::any_io_executor executor, const Shared& shared, Epochs::Reader& reader,
             std::uint64_t seed, TcpLimits limits = {});
  ~TcpService();
  TcpService(const TcpService&) = delete;
  TcpService& operator=(const TcpService&) = delete;

  // Before the io_context runs, or on its thread. Fails with what socket, bind or listen say.
  [[nodiscard]] proxy::Result<void> listen(const proxy::config::SocketAddress& address,
                                           Locality locality = Locality::now);
  // On the io_context's thread. Answers a query of this host's administrator, whoever may ask else;
  // `done` gets the reply there, at once or later, or nothing for what deserves no reply.
  void answer(Bytes query, std::function<void(Bytes reply)> done);
  // On the io_context's thread. New clients go to the other process that listens on the addresses,
  // if there is one; those whose handshake is under way are still accepted.
  void leave();
  // On the io_context's thread. Accepts no more; what was read is answered, then all is closed.
  void stop();

  [[nodiscard]] const Counters& counters() const;
  [[nodiscard]] std::size_t connections() const;  // at the moment; from any thread

 private:
  struct Connection;
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with coroutines that are still ending
};

}  // namespace dns::serve
