// Notices a server that does not answer any more although its host still does: after a while
// without a word from it, it is asked whether it lives (GET /livez), and any answer will do.
#pragma once

#include "proxy/sources/kubernetes/api_client.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>

namespace proxy::sources::kubernetes {

class Pulse {
 public:
  // `client` as the followers have it; `dead` is called each time a server did not answer in time.
  Pulse(const ClientParts& client, std::function<void()> dead);

  // Something came from a server.
  void felt() { last_ = std::chrono::steady_clock::now(); }

  // Until stop(). Keeps `self` alive.
  static boost::asio::awaitable<void> run(std::shared_ptr<Pulse> self);
  void stop();

 private:
  Timing timing_;  // less patient
  ClientParts parts_;
  std::function<void()> dead_;
  ApiClient client_;
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  bool stopped_ = false;
};

}  // namespace proxy::sources::kubernetes
