#include "proxy/status/http_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <list>
#include <optional>
#include <sstream>

namespace proxy::status {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

tcp::endpoint endpoint_of(const config::SocketAddress& address) {
  const auto bytes = address.address.bytes();
  if (address.address.family() == Family::v4) {
    return {asio::ip::address_v4{address.address.v4_host_order()}, address.port.value};
  }
  asio::ip::address_v6::bytes_type v6;
  std::ranges::transform(bytes, v6.begin(),
                         [](std::byte b) { return std::to_integer<unsigned char>(b); });
  return {asio::ip::address_v6{v6}, address.port.value};
}

Result<tcp::acceptor> bound(const asio::any_io_executor& executor, const tcp::endpoint& endpoint,
                            Reach reach) {
  tcp::acceptor acceptor{executor};
  boost::system::error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address{true}, ec);
  if (!ec && endpoint.address().is_v6()) {
    acceptor.set_option(asio::ip::v6_only{reach == Reach::own_family}, ec);
  }
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return Error{ec, "listen on " + (std::ostringstream{} << endpoint).str()};
  return acceptor;
}

// Every address of both families, through one IPv6 socket; a host without IPv6 has IPv4 alone.
Result<tcp::acceptor> bound_everywhere(const asio::any_io_executor& executor, Port port) {
  auto acceptor = bound(executor, {tcp::v6(), port.value}, Reach::both_families);
  const bool no_v6 =
      !acceptor && (acceptor.error().code == std::errc::address_family_not_supported ||
                    acceptor.error().code == std::errc::address_not_available);
  if (no_v6) {
    return bound(executor, {tcp::v4(), port.value}, Reach::own_family);
  }
  return acceptor;
}

http::response<http::string_body> response_to(const http::request<http::string_body>& request,
                                              HttpReply reply) {
  http::response<http::string_body> response{static_cast<http::status>(reply.status),
                                             request.version()};
  response.set(http::field::content_type, reply.content_type);
  for (const auto& [name, value] : reply.headers) response.set(name, value);
  response.keep_alive(request.keep_alive());
  response.content_length(reply.body.size());
  if (request.method() != http::verb::head) response.body() = std::move(reply.body);
  return response;
}

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<Impl> {
  struct Connection {
    explicit Connection(tcp::socket socket) : stream{std::move(socket)} {}
    beast::tcp_stream stream;
    bool busy = false;  // a request is being answered
  };
  using Connections = std::list<std::shared_ptr<Connection>>;  // idle longest first

  Impl(asio::any_io_executor executor_, HttpHandler handler_, HttpLimits limits_)
      : executor{std::move(executor_)}, handler{std::move(handler_)}, limits{limits_} {}

  static asio::awaitable<void> accept(std::shared_ptr<Impl> self,
                                      std::shared_ptr<tcp::acceptor> acceptor);
  static asio::awaitable<void> serve(std::shared_ptr<Impl> self,
                                     std::shared_ptr<Connection> connection);
  asio::awaitable<bool> serve_one(Connection& connection, beast::flat_buffer& buffer);
  asio::awaitable<std::optional<HttpReply>> reply_to(HttpRequest request);
  void make_room();
  void close(const std::shared_ptr<Connection>& connection);

  asio::any_io_executor executor;
  HttpHandler handler;
  HttpLimits limits;
  bool stopped = false;
  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
  Connections connections;
};

// Somebody who opens connections and says nothing must not keep a prober of health out.
void HttpServer::Impl::make_room() {
  if (connections.size() < limits.connections) return;
  auto victim = std::ranges::find(connections, false, [](const auto& c) { return c->busy; });
  if (victim == connections.end()) victim = connections.begin();
  (*victim)->stream.close();  // its coroutine ends with an error
  connections.erase(victim);
}

void HttpServer::Impl::close(const std::shared_ptr<Connection>& connection) {
  connection->stream.close();
  std::erase(connections, connection);
}

asio::awaitable<void> HttpServer::Impl::accept(std::shared_ptr<Impl> self,
                                               std::shared_ptr<tcp::acceptor> acceptor) {
  asio::steady_timer pause{self->executor};
  while (!self->stopped) {
    auto [ec, socket] = co_await acceptor->async_accept(kAwait);
    if (self->stopped || ec == asio::error::operation_aborted) break;
    if (ec) {
      // Out of descriptors or memory, or the client is gone already: the next may fare better.
      pause.expires_after(std::chrono::milliseconds{100});
      co_await pause.async_wait(kAwait);
      continue;
    }
    self->make_room();
    auto connection = std::make_shared<Connection>(std::move(socket));
    self->connections.push_back(connection);
    // Whatever goes wrong, running out of memory included, costs the connection, not the daemon.
    asio::co_spawn(self->executor, serve(self, connection),
                   [self, connection](const std::exception_ptr&) { self->close(connection); });
  }
}

asio::awaitable<void> HttpServer::Impl::serve(std::shared_ptr<Impl> self,
                                              std::shared_ptr<Connection> connection) {
  beast::flat_buffer buffer{self->limits.header_bytes + self->limits.body_bytes};
  for (std::size_t served = 0; served < self->limits.requests_per_connection; ++served) {
    if (!co_await self->serve_one(*connection, buffer)) break;
    // Used last, closed last.
    const auto place = std::ranges::find(self->connections, connection);
    if (place == self->connections.end()) break;
    self->connections.splice(self->connections.end(), self->connections, place);
  }
  boost::system::error_code ignored;
  connection->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

// Absent when the handler has none in time.
asio::awaitable<std::optional<HttpReply>> HttpServer::Impl::reply_to(HttpRequest request) {
  struct Awaited {
    std::optional<HttpReply> reply;
    asio::steady_timer arrived;  // cancelled when there is a reply
  };
  const auto awaited = std::make_shared<Awaited>(
      Awaited{std::nullopt, asio::steady_timer{executor, limits.request_time}});
  handler(request, [awaited](HttpReply reply) {
    awaited->reply = std::move(reply);
    awaited->arrived.cancel();
  });
  if (!awaited->reply) co_await awaited->arrived.async_wait(kAwait);
  co_return std::move(awaited->reply);
}

// One request and its reply. False when the connection is to be closed.
asio::awaitable<bool> HttpServer::Impl::serve_one(Connection& connection,
                                                  beast::flat_buffer& buffer) {
  auto& stream = connection.stream;
  stream.expires_after(limits.request_time);
  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser.body_limit(limits.body_bytes);
  auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kAwait);
  if (stopped || read_error == http::error::end_of_stream || stream.socket().is_open() == false) {
    co_return false;
  }

  HttpReply reply;
  bool keep_alive = false;
  if (read_error == http::error::header_limit) {
    reply = {.status = 431, .body = "request header too large\n"};
  } else if (read_error == http::error::body_limit) {
    reply = {.status = 413, .body = "request body too large\n"};
  } else if (read_error &&
             read_error.category() == http::make_error_code(http::error::bad_value).category()) {
    reply = {.status = 400, .body = "not an HTTP request\n"};
  } else if (read_error) {
    co_return false;
  } else {
    const auto& request = parser.get();
    const auto target = request.target();
    const auto mark = std::min(target.find('?'), target.size());
    keep_alive = request.keep_alive();
    connection.busy = true;
    // Named: GCC 12 destroys a braced temporary twice that is an argument beside co_await.
    HttpRequest asked{.method = std::string{request.method_string()},
                      .path = std::string{target.substr(0, mark)},
                      .query = std::string{target.substr(std::min(mark + 1, target.size()))}};
    auto made = co_await reply_to(std::move(asked));
    if (stopped || !made) co_return false;
    reply = std::move(*made);
  }
  auto response = response_to(parser.get(), std::move(reply));
  response.keep_alive(keep_alive);
  const auto [write_error, written] = co_await http::async_write(stream, response, kAwait);
  connection.busy = false;
  co_return keep_alive && !write_error;
}

HttpHandler replying(std::function<HttpReply(const HttpRequest&)> reply) {
  return [reply = std::move(reply)](const HttpRequest& request, const HttpRespond& respond) {
    respond(reply(request));
  };
}

HttpServer::HttpServer(asio::any_io_executor executor, HttpHandler handler, HttpLimits limits)
    : impl_{std::make_shared<Impl>(std::move(executor), std::move(handler), limits)} {}

HttpServer::~HttpServer() {
  stop();
}

Result<config::SocketAddress> HttpServer::listen(const config::SocketAddress& address,
                                                 Reach reach) {
  auto acceptor = address.address.is_unspecified() && reach == Reach::both_families
                      ? bound_everywhere(impl_->executor, address.port)
                      : bound(impl_->executor, endpoint_of(address), Reach::own_family);
  if (!acceptor) return acceptor.error();
  auto listening = address;
  boost::system::error_code ec;
  listening.port = Port{acceptor->local_endpoint(ec).port()};
  if (ec) return Error{ec, "address of the socket on " + address.text()};
  auto shared = std::make_shared<tcp::acceptor>(std::move(*acceptor));
  impl_->acceptors.push_back(shared);
  asio::co_spawn(impl_->executor, Impl::accept(impl_, shared), [](const std::exception_ptr&) {});
  return listening;
}

void HttpServer::stop() {
  impl_->stopped = true;
  boost::system::error_code ignored;
  for (const auto& acceptor : impl_->acceptors) acceptor->close(ignored);
  impl_->acceptors.clear();
  for (const auto& connection : impl_->connections) connection->stream.close();
  impl_->connections.clear();
}

}  // namespace proxy::status
