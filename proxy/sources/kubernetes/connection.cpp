#include "proxy/sources/kubernetes/connection.hpp"

#include "proxy/sources/kubernetes/proxy_handshake.hpp"
#include "proxy/sources/kubernetes/tls_context.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <fcntl.h>
#include <netinet/tcp.h>

#include <random>
#include <utility>

namespace proxy::sources::kubernetes {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// A silent peer is asked after 10 s, then every 5 s, and gone after the third unanswered question.
constexpr int kKeepAliveIdle = 10;
constexpr int kKeepAliveInterval = 5;
constexpr int kKeepAliveCount = 3;
constexpr unsigned kUnacknowledgedMilliseconds = 25'000;

void watch_over(tcp::socket& socket) {
  const auto set = [fd = socket.native_handle()](int level, int option, auto value) {
    // What the kernel refuses costs us time to notice, not correctness.
    (void)::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdle);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveInterval);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveCount);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMilliseconds);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

asio::ip::address asio_address(const IpAddress& ip) {
  if (ip.family() == Family::v4) return asio::ip::address_v4{ip.v4_host_order()};
  asio::ip::address_v6::bytes_type bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = std::to_integer<unsigned char>(ip.bytes()[i]);
  }
  return asio::ip::address_v6{bytes};
}

std::string text_of(const tcp::endpoint& endpoint) {
  const auto ip = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(endpoint.port());
}

}  // namespace

struct Connection::Impl : std::enable_shared_from_this<Impl> {
  tcp::resolver resolver;
  tcp::socket socket;
  std::optional<asio::ssl::context> context;
  std::optional<asio::ssl::stream<tcp::socket&>> tls;
  asio::steady_timer timer;
  bool late = false;  // the deadline of the wait that is going on has passed
  bool aborted = false;

  explicit Impl(const asio::any_io_executor& executor)
      : resolver{executor}, socket{executor}, timer{executor} {}

  void close() {
    resolver.cancel();
    error_code ignored;
    socket.close(ignored);
  }

  // ── deadlines ─────────────────────────────────────────────────────────────────────────────────

  void expect_within(Duration patience) {
    late = false;
    timer.expires_after(patience);
    timer.async_wait([weak = weak_from_this()](error_code cancelled) {
      const auto self = weak.lock();
      // A later expect_within() or in_time() has cancelled this one, perhaps too late for Asio.
      if (cancelled || !self || self->timer.expiry() > asio::steady_timer::clock_type::now())
        return;
      self->late = true;
      self->close();
    });
  }

  // What became of an operation since expect_within().
  Error failure(const error_code& code, std::string what) {
    timer.cancel();
    if (aborted) return system_error(ECONNABORTED, std::move(what));
    if (late) return system_error(ETIMEDOUT, std::move(what));
    if (const auto why = tls_failure(tls ? tls->native_handle() : nullptr, code)) {
      return invalid(what + ": " + *why);
    }
    return Error{code, std::move(what)};
  }

  // ── the steps of opening ──────────────────────────────────────────────────────────────────────

  asio::awaitable<Result<std::vector<tcp::endpoint>>> resolve(Url url, Duration patience) {
    if (const auto ip = url.ip()) {
      co_return std::vector{tcp::endpoint{asio_address(*ip), url.port.value}};
    }
    const auto what = "look up " + url.host;
    if (aborted) co_return system_error(ECONNABORTED, what);
    expect_within(patience);
    const auto port = std::to_string(url.port.value);
    const auto [failed, found] =
        co_await resolver.async_resolve(url.host, port, tcp::resolver::numeric_service, kAwait);
    if (failed || found.empty()) co_return failure(failed, what);
    timer.cancel();
    std::vector<tcp::endpoint> endpoints;
    for (const auto& entry : found) endpoints.push_back(entry.endpoint());
    // Nodes spread over the servers behind a name, and the next attempt may try another one first.
    std::ranges::shuffle(endpoints, std::mt19937{std::random_device{}()});
    co_return endpoints;
  }

  asio::awaitable<Result<void>> connect(Url url, Duration patience) {
    const auto endpoints = co_await resolve(url, patience);
    if (!endpoints) co_return endpoints.error();
    std::optional<Error> failed_with;
    for (const auto& endpoint : *endpoints) {
      const auto what = "connect to " + text_of(endpoint);
      if (aborted) co_return system_error(ECONNABORTED, what);
      error_code failed;
      socket.close(failed);
      socket.open(endpoint.protocol(), failed);
      if (failed) {
        failed_with = Error{failed, what};
        continue;
      }
      ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);  // not for exec plugins
      expect_within(patience);
      std::tie(failed) = co_await socket.async_connect(endpoint, kAwait);
      if (!failed) {
        timer.cancel();
        watch_over(socket);
        co_return Result<void>{};
      }
      failed_with = failure(failed, what);
    }
    co_return *failed_with;
  }

  asio::awaitable<Result<void>> pass_proxy(Url proxy, Url server, Duration patience) {
    const auto what = "through proxy " + proxy.text();
    expect_within(patience);
    ProxyHandshake handshake{proxy, server};
    while (!handshake.is_done()) {
      const auto bytes = handshake.take_output();
      if (!bytes.empty()) {
        const auto [failed, size] = co_await asio::async_write(socket, asio::buffer(bytes), kAwait);
        if (failed) co_return failure(failed, what);
      }
      // Byte by byte: what follows the proxy's last word is the server's.
      char byte = 0;
      const auto [failed, size] = co_await asio::async_read(socket, asio::buffer(&byte, 1), kAwait);
      if (failed) co_return failure(failed, what);
      if (const auto good = handshake.feed(byte); !good) {
        timer.cancel();
        co_return within(what, good.error());
      }
    }
    timer.cancel();
    co_return Result<void>{};
  }

  asio::awaitable<Result<void>> shake_hands(Url server, TlsMaterial material, Duration patience) {
    const auto what = "TLS with " + server.authority();
    auto made = make_tls_context(material);
    if (!made) co_return within(what, made.error());
    context.emplace(std::move(*made));
    tls.emplace(socket, *context);
    const auto name = material.server_name.empty() ? server.host : material.server_name;
    if (const auto good = expect_server(tls->native_handle(), name, material.insecure); !good) {
      co_return within(what, good.error());
    }
    expect_within(patience);
    const auto [failed] = co_await tls->async_handshake(asio::ssl::stream_base::client, kAwait);
    if (failed) co_return failure(failed, what);
    timer.cancel();
    co_return Result<void>{};
  }
};

Connection::Connection(asio::any_io_executor executor) : impl_{std::make_shared<Impl>(executor)} {}

Connection::~Connection() {
  abort();
}

void Connection::abort() {
  impl_->aborted = true;
  impl_->timer.cancel();
  impl_->close();
}

asio::awaitable<Result<void>> Connection::open(const Url& server, const std::optional<Url>& proxy,
                                               const TlsMaterial& material, Duration patience) {
  const auto impl = impl_;
  const auto first = proxy ? *proxy : server;
  auto done = co_await impl->connect(first, patience);
  if (done && proxy) done = co_await impl->pass_proxy(*proxy, server, patience);
  if (done && server.scheme == Scheme::https) {
    done = co_await impl->shake_hands(server, material, patience);
  }
  if (!done) impl->close();
  co_return done;
}

asio::awaitable<Result<std::size_t>> Connection::read_some(std::span<char> into,
                                                           Duration patience) {
  const auto impl = impl_;
  if (impl->aborted) co_return system_error(ECONNABORTED, "read");
  impl->expect_within(patience);
  const auto buffer = asio::buffer(into.data(), into.size());
  error_code failed;
  std::size_t size = 0;
  if (impl->tls) {
    std::tie(failed, size) = co_await impl->tls->async_read_some(buffer, kAwait);
  } else {
    std::tie(failed, size) = co_await impl->socket.async_read_some(buffer, kAwait);
  }
  if (size != 0) {
    impl->timer.cancel();
    co_return size;
  }
  // A server that closes without TLS' farewell has closed all the same; whether that was too early,
  // HTTP knows.
  const bool ended = failed == asio::error::eof || failed == asio::ssl::error::stream_truncated;
  if (ended && !impl->late && !impl->aborted) {
    impl->timer.cancel();
    co_return std::size_t{0};
  }
  co_return impl->failure(failed, "read");
}

asio::awaitable<Result<void>> Connection::write(std::string_view bytes, Duration patience) {
  const auto impl = impl_;
  if (impl->aborted) co_return system_error(ECONNABORTED, "write");
  impl->expect_within(patience);
  const auto buffer = asio::buffer(bytes.data(), bytes.size());
  error_code failed;
  std::size_t size = 0;
  if (impl->tls) {
    std::tie(failed, size) = co_await asio::async_write(*impl->tls, buffer, kAwait);
  } else {
    std::tie(failed, size) = co_await asio::async_write(impl->socket, buffer, kAwait);
  }
  if (failed) co_return impl->failure(failed, "write");
  impl->timer.cancel();
  co_return Result<void>{};
}

}  // namespace proxy::sources::kubernetes
