// Everybody who answers in the lab: one thread with one epoll set holds the listening sockets of
// all pods, of upstream and of node-a, since a socket stays in the namespace in which it was
// opened.
#pragma once

#include "proxy/unique_fd.hpp"
#include "tests/netns/arrivals.hpp"
#include "tests/netns/socket_address.hpp"
#include "tests/netns/topology.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace netns {

class Responder {
 public:
  using Id = std::uint64_t;

  Responder();
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  // Answers at `at` in the party's namespace with a Report: TCP says it and closes, UDP sends it
  // back for each datagram, SCTP as the cookie of the INIT ACK. nullopt when somebody else listens
  // there. Throws LabError.
  [[nodiscard]] std::optional<Id> serve(const Party& party, const SocketAddress& at,
                                        Protocol protocol);
  void stop_serving(Id id);  // the socket is closed on return

  // Records in arrivals() what comes in at the party's network devices. Throws LabError.
  void watch(const Party& party);
  [[nodiscard]] const Arrivals& arrivals() const { return arrivals_; }

  class Handler {
   public:
    explicit Handler(proxy::UniqueFd fd) : fd_{std::move(fd)} {}
    virtual ~Handler() = default;
    virtual void on_readable() = 0;
    [[nodiscard]] int fd() const { return fd_.get(); }

   private:
    proxy::UniqueFd fd_;
  };

 private:
  Id add(std::unique_ptr<Handler> handler);
  void run();

  proxy::UniqueFd epoll_;
  proxy::UniqueFd stop_;  // eventfd
  Arrivals arrivals_;
  std::mutex mutex_;
  std::map<Id, std::unique_ptr<Handler>> handlers_;  // guarded by mutex_
  Id next_ = 1;                                      // 0 is stop_
  std::thread thread_;
};

}  // namespace netns
