// Where a daemon can be reached: its health and metrics servers and the admin socket.
#pragma once

#include "proxy/config/config.hpp"
#include "proxy/log.hpp"
#include "proxy/status/admin_socket.hpp"
#include "proxy/status/http_server.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace proxy {

class Listeners {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    const config::Config& config;  // outlives this
    Log& log;
    std::function<void(std::exception_ptr)> failed;
    std::map<std::string, std::string>& addresses;  // where it listens: "healthz" → "0.0.0.0:10256"
    status::HttpHandler health;
    status::HttpHandler metrics;
    status::AdminCommands admin;
  };
  explicit Listeners(Parts parts);

  // Fails if another daemon runs here, unless that is to be taken over from; if an address is taken
  // and --bind-address-hard-fail is set. An address that is taken is else tried again until it is
  // free.
  Result<void> open();
  // Serves on the admin socket once the predecessor has left it.
  void predecessor_ended();
  void close();

  // Another daemon runs here, and goes on until it is told to end: --take-over.
  [[nodiscard]] bool have_predecessor() const { return has_predecessor_; }
  [[nodiscard]] bool serve_admin() const { return serves_admin_; }
  // Something else that listens: to be said as well.
  void note(std::string_view name, const std::string& address);

 private:
  Result<void> listen_for_admin();
  Result<void> listen(status::HttpServer& server, std::string_view name,
                      const std::optional<config::SocketAddress>& address);
  static boost::asio::awaitable<void> keep_binding(Listeners& self, status::HttpServer& server,
                                                   std::string name, config::SocketAddress address);

  Parts parts_;
  bool serves_admin_ = false;
  bool has_predecessor_ = false;
  status::HttpServer health_;
  status::HttpServer metrics_;
  status::AdminSocket admin_;
};

}  // namespace proxy
