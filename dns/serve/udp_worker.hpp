// One thread that answers UDP queries: batch in, answers from the zone and the cache, batch out.
//
// Takes no lock and allocates nothing for what it can answer itself. Questions that need an
// upstream are handed over (Outside) and answered later from another thread through the same
// socket.
#pragma once

#include "dns/serve/rate_limit.hpp"
#include "dns/serve/shared.hpp"
#include "dns/serve/udp_socket.hpp"

#include <atomic>
#include <thread>
#include <vector>

namespace dns::serve {

class UdpWorker {
 public:
  // Serves `sockets` until stop(). `seed` decides in which order records rotate.
  UdpWorker(const Shared& shared, Epochs::Reader& reader, std::vector<proxy::UniqueFd> sockets,
            std::uint64_t seed);
  ~UdpWorker();
  UdpWorker(const UdpWorker&) = delete;
  UdpWorker& operator=(const UdpWorker&) = delete;

  void start();  // the thread
  void leave();  // other sockets of the addresses get what comes from now on; see leave_group()
  void stop();   // ends the thread; what has arrived by then is answered

  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const std::vector<proxy::UniqueFd>& sockets() const { return sockets_; }

 private:
  void run();
  void serve(int fd, bool wait);
  void prefetch(const Zone& zone, std::size_t count) const;
  void answer(int fd, const Zone& zone, std::size_t i);
  [[nodiscard]] bool is_over_limit(const IpAddress& client, std::size_t& size);

  Shared shared_;
  Epochs::Reader& reader_;
  std::vector<proxy::UniqueFd> sockets_;
  std::uint64_t random_;
  UdpBatch batch_;
  Exchange exchange_;
  Counters counters_;
  RateLimit limit_;
  std::uint32_t unix_now_ = 0;  // seconds, of this batch
  std::int64_t now_ = 0;        // nanoseconds on the steady clock, of this batch
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace dns::serve
