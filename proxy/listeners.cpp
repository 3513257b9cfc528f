#include "proxy/listeners.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <utility>

namespace proxy {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr auto kBindRetry = 5s;         // as kube-proxy
constexpr auto kTakeOverRetry = 100ms;  // while another daemon is about to end

}  // namespace

Listeners::Listeners(Parts parts)
    : parts_{std::move(parts)},
      health_{parts_.executor, std::move(parts_.health)},
      metrics_{parts_.executor, std::move(parts_.metrics)},
      admin_{parts_.executor, std::move(parts_.admin)} {}

Result<void> Listeners::open() {
  if (const auto admin = listen_for_admin(); !admin) return admin.error();
  if (const auto health = listen(health_, "healthz", parts_.config.healthz); !health) {
    return health.error();
  }
  return listen(metrics_, "metrics", parts_.config.metrics);
}

Result<void> Listeners::listen_for_admin() {
  if (parts_.config.admin_socket.empty()) return {};
  const auto listening = admin_.listen(parts_.config.admin_socket);
  serves_admin_ = listening.has_value();
  if (listening) return {};
  if (listening.error().code == std::errc::address_in_use) {
    if (!parts_.config.take_over) return listening.error();
    parts_.log.info("another daemon runs here; taking over from it once all records are known");
    has_predecessor_ = true;
    return {};
  }
  // Without privileges, or on a read-only file system, forwarding may work all the same.
  parts_.log.warning(fmt::format("no admin socket: {}", listening.error().text()));
  return {};
}

Result<void> Listeners::listen(status::HttpServer& server, std::string_view name,
                               const std::optional<config::SocketAddress>& address) {
  if (!address) return {};
  const auto listening = server.listen(*address);
  if (listening) {
    note(name, listening->text());
    return {};
  }
  auto error = within(name, listening.error());
  if (parts_.config.bind_address_hard_fail && !has_predecessor_) return error;
  if (!has_predecessor_) {
    parts_.log.error(fmt::format("{}; trying again every {} s", error.text(), kBindRetry.count()));
  }
  asio::co_spawn(parts_.executor, keep_binding(*this, server, std::string{name}, *address),
                 parts_.failed);
  return {};
}

asio::awaitable<void> Listeners::keep_binding(Listeners& self, status::HttpServer& server,
                                              std::string name, config::SocketAddress address) {
  asio::steady_timer timer{self.parts_.executor};
  while (true) {
    timer.expires_after(self.has_predecessor_ ? asio::steady_timer::duration{kTakeOverRetry}
                                              : kBindRetry);
    co_await timer.async_wait(asio::use_awaitable);
    const auto listening = server.listen(address);
    if (listening) {
      self.note(name, listening->text());
      co_return;
    }
    self.parts_.log.detail(2, within(name, listening.error()).text());
  }
}

void Listeners::note(std::string_view name, const std::string& address) {
  parts_.addresses[std::string{name}] = address;
  parts_.log.info(fmt::format("{} at {}", name, address));
}

void Listeners::predecessor_ended() {
  if (const auto admin = listen_for_admin(); !admin) parts_.log.error(admin.error().text());
  has_predecessor_ = false;
}

void Listeners::close() {
  health_.stop();
  metrics_.stop();
  admin_.stop();
}

}  // namespace proxy
