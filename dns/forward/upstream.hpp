// One upstream server: asks it by UDP, TCP or TLS, and remembers how it has been doing.
//
// On one io_context, which alone uses it; the figures may be read from any thread.
#pragma once

#include "dns/forward/options.hpp"
#include "dns/forward/stored_answer.hpp"
#include "dns/serve/counters.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <vector>

namespace dns::forward {

namespace asio = boost::asio;

struct UpstreamFigures {
  serve::Histogram<20, 12> duration;  // nanoseconds: 1 ms … 4 s, of exchanges that ended well
  std::array<serve::Count, serve::kCountedRcodes.size() + 1> replies;  // by rcode
  serve::Count failures;  // exchanges without a usable reply
  serve::Count probe_failures;
  std::atomic<bool> healthy{true};
};

class Upstream {
 public:
  Upstream(asio::any_io_executor executor, UpstreamAddress address);
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  // One question, one usable reply: right id, question and form, from where it was sent to. What
  // UDP truncates is asked again by TCP. Fails with timed_out at the deadline, and with what the
  // sockets say. Moves health and round-trip time.
  asio::awaitable<Result<StoredAnswer>> ask(const LowerName& name, Type type, bool dnssec_ok,
                                            bool checking_disabled,
                                            std::chrono::steady_clock::time_point deadline);

  [[nodiscard]] const UpstreamAddress& address() const;
  [[nodiscard]] const UpstreamFigures& figures() const;
  // Not when the last exchanges failed; back again as soon as a probe is answered.
  [[nodiscard]] bool is_healthy() const;
  [[nodiscard]] std::chrono::nanoseconds round_trip() const;  // smoothed; 0: not known yet

  // It leads back to ourselves: never asked again.
  void exclude();
  [[nodiscard]] bool is_excluded() const;

  void stop();  // ends connections and probes

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dns::forward
