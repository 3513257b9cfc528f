// A worker that listens directly on loopback, endpoints that behave as told, and clients: no root,
// no fixed ports, no sleeps.
#pragma once

#include "modes/userspace/tcp/tcp_socket.hpp"
#include "modes/userspace/udp/udp_socket.hpp"
#include "modes/userspace/worker.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace modes::userspace {

inline IpAddress loopback() {
  return IpAddress::loopback(Family::v4);
}

// Blocking, with a time-out that no passing test reaches.
inline proxy::UniqueFd connect_blocking(Port port, int type = SOCK_STREAM) {
  proxy::UniqueFd fd{::socket(AF_INET, type | SOCK_CLOEXEC, 0)};
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
  const SocketAddress to{loopback(), port};
  EXPECT_EQ(::connect(fd.get(), to.get(), to.size()), 0) << errno;
  return fd;
}

inline bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Until the end of stream. An error ends it as well, and is left in `error`.
inline std::string receive_all(int fd, int* error = nullptr) {
  std::string all;
  std::vector<char> buffer(256 * 1024);
  for (;;) {
    const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && error != nullptr) *error = errno;
    if (got <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}
inline std::string receive_some(int fd) {
  std::string some(64 * 1024, '\0');
  const auto got = ::recv(fd, some.data(), some.size(), 0);
  some.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return some;
}

// Listens; what a test does with what it accepts is its own affair.
class FakeEndpoint {
 public:
  FakeEndpoint() {
    fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress at{loopback(), Port{0}};
    EXPECT_EQ(::bind(fd_.get(), at.get(), at.size()), 0);
    EXPECT_EQ(::listen(fd_.get(), 4096), 0);
    const auto port = tcp::local_port(fd_.get());
    port_ = *port;
  }
  [[nodiscard]] Port port() const { return port_; }
  [[nodiscard]] proxy::state::Endpoint endpoint() const { return {loopback(), port_}; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] proxy::UniqueFd accept() const {
    return proxy::UniqueFd{::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  }
  void stop_listening() { fd_.reset(); }

 private:
  proxy::UniqueFd fd_;
  Port port_;
};

class ProxyLab {
 public:
  explicit ProxyLab(std::int64_t descriptors = 10000, Settings settings = direct())
      : settings_{std::move(settings)}, descriptors_{descriptors} {
    auto tcp = tcp::listen_at(loopback(), Port{0});
    port_ = *tcp::local_port(tcp->get());
    auto udp = udp::listen_at(loopback(), port_);
    std::vector<Listener> listeners;
    listeners.push_back(
        {std::move(*tcp), Protocol::tcp, Family::v4, Entrance::inside, false, loopback(), port_});
    if (udp) {
      listeners.push_back(
          {std::move(*udp), Protocol::udp, Family::v4, Entrance::inside, false, loopback(), port_});
    }
    auto worker = Worker::start(
        {settings_, descriptors_, [this](std::string text) { warned_.set_value(std::move(text)); }},
        std::move(listeners));
    EXPECT_TRUE(worker);
    worker_ = std::move(*worker);
  }

  static Settings direct() {
    Settings settings;
    settings.listen = Listen::direct;
    return settings;
  }

  // The service at port(), of both protocols, has these endpoints from now on.
  void serve(std::vector<proxy::state::Endpoint> endpoints, ServicePort port = {}) {
    port.cluster_ip = loopback();
    port.port = port_;
    port.cluster_endpoints = port.serving_endpoints = std::move(endpoints);
    port.has_any_endpoint = true;
    auto changes = std::make_shared<std::vector<DirectoryChange>>();
    for (const auto protocol : {Protocol::tcp, Protocol::udp}) {
      const ServicePortName name{.service = {"ns", "web"}, .port = "", .protocol = protocol};
      auto& known = protocol == Protocol::tcp ? tcp_ : udp_;
      auto after = std::make_shared<const Service>(name, port, settings_.balance, known.get());
      changes->push_back({known, after});
      known = std::move(after);
    }
    done([&](Worker::Done told) { worker_->put(changes, std::move(told)); });
    done([&](Worker::Done told) { worker_->drop(changes, std::move(told)); });
  }

  [[nodiscard]] Port port() const { return port_; }
  [[nodiscard]] proxy::UniqueFd connect() const { return connect_blocking(port_); }
  [[nodiscard]] Worker& worker() { return *worker_; }
  void end() { worker_.reset(); }

  [[nodiscard]] WorkerFigures figures() {
    std::promise<WorkerFigures> figures;
    worker_->ask([&](const WorkerFigures& now) { figures.set_value(now); });
    return figures.get_future().get();
  }
  // What was counted of the service.
  [[nodiscard]] ServiceTally tally(Protocol protocol = Protocol::tcp) {
    std::promise<std::vector<ServiceTally>> tallies;
    const auto& service = protocol == Protocol::tcp ? tcp_ : udp_;
    worker_->ask_traffic(std::make_shared<const std::vector<ServicePtr>>(1, service),
                         [&](auto now) { tallies.set_value(std::move(now)); });
    return tallies.get_future().get().front();
  }
  // Asks again and again until `good`; false when ten seconds were not enough.
  bool until(const std::function<bool(const WorkerFigures&)>& good) {
    const auto deadline = Clock::now() + std::chrono::seconds{10};
    while (Clock::now() < deadline) {
      if (good(figures())) return true;
      std::this_thread::yield();
    }
    return false;
  }
  [[nodiscard]] std::string warning() { return warned_.get_future().get(); }
  [[nodiscard]] const Descriptors& descriptors() const { return descriptors_; }

 private:
  static void done(const std::function<void(Worker::Done)>& tell) {
    std::promise<void> told;
    tell([&] { told.set_value(); });
    told.get_future().get();
  }

  Settings settings_;
  Descriptors descriptors_;
  Port port_;
  std::promise<std::string> warned_;
  ServicePtr tcp_, udp_;
  std::unique_ptr<Worker> worker_;  // last: its thread uses the others
};

}  // namespace modes::userspace
