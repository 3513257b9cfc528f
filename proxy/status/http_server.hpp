// A small HTTP/1.1 server for status pages: health, metrics, health checks of services.
//
// Meant for ports that anybody can reach: requests have a size limit and a deadline, connections a
// number limit beyond which the one that has been idle longest is closed. Bodies are read and
// ignored. Runs on the executor it was given; handlers are called there and must not block.
#pragma once

#include "proxy/config/values.hpp"
#include "proxy/result.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace proxy::status {

struct HttpRequest {
  std::string method;      // "GET"
  std::string path;        // without the query
  std::string query = {};  // what follows the '?', as it came; may be empty
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // besides type and length
};

// Takes the reply, once, on the server's executor; at once or later, within the time for a request.
using HttpRespond = std::function<void(HttpReply)>;
using HttpHandler = std::function<void(const HttpRequest&, HttpRespond)>;
// A handler that need not wait for anything.
[[nodiscard]] HttpHandler replying(std::function<HttpReply(const HttpRequest&)> reply);

// Whom a socket on an unspecified address serves.
enum class Reach : std::uint8_t { both_families, own_family };

struct HttpLimits {
  std::size_t connections = 128;
  std::size_t header_bytes = 8192;
  std::size_t body_bytes = 8192;          // read and thrown away; more is refused with 413
  std::chrono::seconds request_time{10};  // from the first wait for it to the end of the reply
  std::size_t requests_per_connection = 1000;
};

class HttpServer {
 public:
  HttpServer(boost::asio::any_io_executor executor, HttpHandler handler, HttpLimits limits = {});
  ~HttpServer();  // as stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Begins to serve on `address`; may be called for several. Returns where it listens (the port the
  // kernel chose, if it was 0). An unspecified address means every address of both families, as in
  // Go's net.Listen, unless `reach` says otherwise. Fails with the errno of socket, bind or listen.
  Result<config::SocketAddress> listen(const config::SocketAddress& address,
                                       Reach reach = Reach::both_families);

  // Closes every socket. Nothing is called back afterwards.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the coroutines of open connections
};

}  // namespace proxy::status
