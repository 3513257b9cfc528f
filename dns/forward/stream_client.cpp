#include "dns/forward/stream_client.hpp"

#include "dns/cursor.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <openssl/x509v3.h>

#include <array>
#include <map>
#include <optional>
#include <string>

namespace dns::forward {

using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using Reply = Result<std::vector<std::uint8_t>>;
using TlsStream = asio::ssl::stream<tcp::socket>;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kIdle{10};
constexpr std::chrono::seconds kConnect{3};

proxy::Error failed(const boost::system::error_code& code, std::string what) {
  if (code.category() == boost::system::system_category()) {
    return proxy::system_error(code.value(), std::move(what));
  }
  return proxy::within(
      what, proxy::Error{std::make_error_code(std::errc::connection_aborted), code.message()});
}

}  // namespace

struct StreamClient::Connection : std::enable_shared_from_this<StreamClient::Connection> {
  struct Waiting {
    explicit Waiting(const asio::any_io_executor& executor)
        : arrived{executor, Clock::time_point::max()} {}
    asio::steady_timer arrived;  // cancelled when there is a reply
    std::optional<Reply> reply;
    std::uint16_t client_id = 0;
  };

  Connection(asio::any_io_executor executor, const UpstreamAddress& upstream)
      : io{std::move(executor)},
        address{upstream},
        tls{asio::ssl::context::tls_client},
        stream{io, tls},
        something_to_do{io, Clock::time_point::max()},
        watchdog{io} {}

  asio::awaitable<void> run();
  template <class Stream>
  asio::awaitable<void> read(Stream& from);
  template <class Stream>
  asio::awaitable<void> write(Stream& to);
  asio::awaitable<void> watch();
  asio::awaitable<Result<void>> shake_hands();

  std::shared_ptr<Waiting> send(std::vector<std::uint8_t> query);
  void deliver(std::vector<std::uint8_t> reply);
  void end(const proxy::Error& why);
  template <class Coroutine>
  void spawn(Coroutine coroutine) {
    asio::co_spawn(io, std::move(coroutine),
                   [self = shared_from_this()](const std::exception_ptr& failure) {
                     if (failure) self->end(proxy::system_error(ENOMEM, "upstream connection"));
                   });
  }
  [[nodiscard]] tcp::socket& socket() { return stream.next_layer(); }

  asio::any_io_executor io;
  UpstreamAddress address;
  asio::ssl::context tls;
  TlsStream stream;                    // without TLS only its socket is used
  asio::steady_timer something_to_do;  // cancelled when `out` has got something
  asio::steady_timer watchdog;
  Clock::time_point until = Clock::now() + kConnect;  // the connection's time, if nothing happens
  std::map<std::uint16_t, std::shared_ptr<Waiting>> waiting;
  std::string out;
  std::uint16_t next_id = 0;
  bool over = false;
  bool was_used = false;  // a reply has come over it
};

// ── the life of a connection ────────────────────────────────────────────────────────────────────

asio::awaitable<void> StreamClient::Connection::run() {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address.address.address.text(), error);
  const tcp::endpoint endpoint{ip, address.address.port.value};
  std::tie(error) = co_await socket().async_connect(endpoint, kResult);
  if (over) co_return;
  if (error) co_return end(failed(error, "connect to " + address.text()));
  (void)socket().set_option(tcp::no_delay{true}, error);
  if (address.tls) {
    const auto done = co_await shake_hands();
    if (over) co_return;
    if (!done) co_return end(done.error());
    spawn(write(stream));
    co_await read(stream);
  } else {
    spawn(write(socket()));
    co_await read(socket());
  }
}

asio::awaitable<Result<void>> StreamClient::Connection::shake_hands() {
  boost::system::error_code error;
  (void)tls.set_default_verify_paths(error);
  (void)stream.set_verify_mode(asio::ssl::verify_peer, error);
  auto* const ssl = stream.native_handle();
  auto* const parameters = SSL_get0_param(ssl);
  // The certificate has to be for the name we were told, or else for the very address.
  const auto& name = address.server_name;
  const int ok =
      name.empty()
          ? X509_VERIFY_PARAM_set1_ip_asc(parameters, address.address.address.text().c_str())
          : SSL_set1_host(ssl, name.c_str()) && SSL_set_tlsext_host_name(ssl, name.c_str());
  if (ok != 1) co_return proxy::invalid("TLS name of " + address.text());
  std::tie(error) = co_await stream.async_handshake(TlsStream::client, kResult);
  if (error) co_return failed(error, "TLS with " + address.text());
  co_return Result<void>{};
}

template <class Stream>
asio::awaitable<void> StreamClient::Connection::read(Stream& from) {
  while (!over) {
    std::array<std::uint8_t, 2> prefix{};
    auto [error, size] = co_await asio::async_read(from, asio::buffer(prefix), kResult);
    std::vector<std::uint8_t> reply;
    if (!error) {
      reply.resize(std::size_t{prefix[0]} << 8 | prefix[1]);
      std::tie(error, size) = co_await asio::async_read(from, asio::buffer(reply), kResult);
    }
    if (over) co_return;
    if (error) co_return end(failed(error, "read from " + address.text()));
    deliver(std::move(reply));
  }
}

template <class Stream>
asio::awaitable<void> StreamClient::Connection::write(Stream& to) {
  while (!over) {
    if (out.empty()) {
      (void)co_await something_to_do.async_wait(kResult);
      something_to_do.expires_at(Clock::time_point::max());
      continue;
    }
    const auto batch = std::exchange(out, {});
    const auto [error, size] = co_await asio::async_write(to, asio::buffer(batch), kResult);
    if (over) co_return;
    if (error) co_return end(failed(error, "write to " + address.text()));
  }
}

asio::awaitable<void> StreamClient::Connection::watch() {
  while (!over) {
    watchdog.expires_at(until);
    const auto [cancelled] = co_await watchdog.async_wait(kResult);
    if (over || cancelled || Clock::now() < until) continue;
    end(proxy::system_error(ETIMEDOUT, address.text()));
  }
}

std::shared_ptr<StreamClient::Connection::Waiting> StreamClient::Connection::send(
    std::vector<std::uint8_t> query) {
  auto entry = std::make_shared<Waiting>(io);
  entry->client_id = Reader{query}.u16();
  while (waiting.contains(next_id)) ++next_id;
  Writer{query}.patch_u16(header::kId, next_id);
  waiting.emplace(next_id++, entry);
  out.push_back(static_cast<char>(query.size() >> 8));
  out.push_back(static_cast<char>(query.size()));
  out.append(reinterpret_cast<const char*>(query.data()), query.size());
  until = std::max(until, Clock::now() + kIdle);
  something_to_do.cancel();
  return entry;
}

void StreamClient::Connection::deliver(std::vector<std::uint8_t> reply) {
  was_used = true;
  until = Clock::now() + kIdle;
  if (reply.size() < header::kSize) return;
  const auto found = waiting.find(Reader{reply}.u16());
  if (found == waiting.end()) return;  // its client has given up
  const auto entry = found->second;
  waiting.erase(found);
  Writer{reply}.patch_u16(header::kId, entry->client_id);
  entry->reply = std::move(reply);
  entry->arrived.cancel();
}

void StreamClient::Connection::end(const proxy::Error& why) {
  if (std::exchange(over, true)) return;
  boost::system::error_code ignored;
  (void)socket().close(ignored);
  something_to_do.cancel();
  watchdog.cancel();
  for (const auto& [id, entry] : std::exchange(waiting, {})) {
    entry->reply = why;
    entry->arrived.cancel();
  }
}

// ── the client ──────────────────────────────────────────────────────────────────────────────────

struct StreamClient::Impl {
  asio::any_io_executor io;
  UpstreamAddress address;
  std::shared_ptr<Connection> connection;
};

StreamClient::StreamClient(asio::any_io_executor executor, UpstreamAddress address)
    : impl_{std::make_shared<Impl>(Impl{std::move(executor), std::move(address), nullptr})} {}

StreamClient::~StreamClient() {
  stop();
}

void StreamClient::stop() {
  if (impl_->connection) impl_->connection->end(proxy::system_error(ECANCELED, "stopped"));
}

asio::awaitable<Reply> StreamClient::exchange(std::vector<std::uint8_t> query,
                                              Clock::time_point deadline) {
  const auto impl = impl_;  // the client may be gone when the reply comes
  while (true) {
    if (!impl->connection || impl->connection->over) {
      impl->connection = std::make_shared<Connection>(impl->io, impl->address);
      impl->connection->spawn(impl->connection->run());
      impl->connection->spawn(impl->connection->watch());
    }
    const auto connection = impl->connection;
    const auto entry = connection->send(query);
    entry->arrived.expires_at(deadline);
    if (!entry->reply) (void)co_await entry->arrived.async_wait(kResult);
    if (!entry->reply) co_return proxy::system_error(ETIMEDOUT, impl->address.text());
    // Servers close idle connections whenever they like, perhaps while the query is on its way.
    if (*entry->reply || !connection->was_used || Clock::now() >= deadline) {
      co_return std::move(*entry->reply);
    }
  }
}

}  // namespace dns::forward
