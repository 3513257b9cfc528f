#include "dns/serve/tcp_service.hpp"

#include "dns/service_records.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <list>
#include <map>
#include <string>
#include <vector>

namespace dns::serve {

namespace asio = boost::asio;
using asio::ip::tcp;
using proxy::Result;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kLengthPrefix = 2;  // RFC 1035 §4.2.2
constexpr std::size_t kReadSize = 4096;   // grows with a longer query, up to 64 Ki
constexpr auto kAcceptPause = std::chrono::milliseconds{100};  // when descriptors have run out

IpAddress address_of_peer(const asio::ip::address& address) {
  if (address.is_v4()) return address_from(Bytes{address.to_v4().to_bytes()});
  if (address.to_v6().is_v4_mapped()) {
    return address_from(
        Bytes{asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_bytes()});
  }
  return address_from(Bytes{address.to_v6().to_bytes()});
}

// The system error of Boost as the standard's, whose values are the same.
proxy::Error failed(const boost::system::error_code& code, std::string what) {
  return proxy::system_error(code.value(), std::move(what));
}

}  // namespace

struct TcpService::Impl : std::enable_shared_from_this<TcpService::Impl> {
  Impl(asio::any_io_executor executor, const Shared& all_share, Epochs::Reader& epoch_reader,
       std::uint64_t seed, TcpLimits tcp_limits)
      : io{std::move(executor)},
        shared{all_share},
        reader{epoch_reader},
        random{seed | 1},
        limits{tcp_limits} {}

  asio::awaitable<void> accept(std::shared_ptr<tcp::acceptor> acceptor);
  void accept_queued(tcp::acceptor& acceptor);
  void admit(tcp::socket socket);

  struct Answered {
    std::size_t size = 0;  // of the reply, which is in `reply`; 0: there is none, or not yet
    bool later = false;    // it goes to who was named for that
  };
  template <class Later>  // void(Bytes reply)
  Answered answer(Bytes query, const IpAddress& client, bool exempt, Later later);

  asio::any_io_executor io;
  Shared shared;
  Epochs::Reader& reader;
  std::uint64_t random;
  TcpLimits limits;
  Counters counters;
  Exchange exchange;  // of the query being answered
  std::vector<std::uint8_t> reply = std::vector<std::uint8_t>(kMaxMessage);
  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
  std::list<std::weak_ptr<Connection>> open;  // the one that was idle longest first
  std::map<IpAddress, std::size_t> per_client;
  std::atomic<std::size_t> count{0};
};

// One client. Its coroutines and the callbacks of forwarded queries share it.
struct TcpService::Connection : std::enable_shared_from_this<TcpService::Connection> {
  Connection(std::shared_ptr<TcpService::Impl> of, tcp::socket connected, IpAddress peer)
      : service{std::move(of)},
        socket{std::move(connected)},
        client{peer},
        deadline{service->io},
        drained{service->io} {}

  ~Connection() {
    service->open.erase(place);
    --service->count;
    const auto at = service->per_client.find(client);
    if (--at->second == 0) service->per_client.erase(at);
  }

  static asio::awaitable<void> read(std::shared_ptr<Connection> self);
  static asio::awaitable<void> write(std::shared_ptr<Connection> self);
  static asio::awaitable<void> watch(std::shared_ptr<Connection> self);

  // Answers the whole queries at the front of `in` and removes them. False if the stream makes no
  // sense any more.
  bool answer_all();
  void answer(Bytes query);
  void send(Bytes reply);
  void touch();
  void close() {
    closed = true;
    boost::system::error_code ignored;
    (void)socket.close(ignored);
    deadline.cancel();
    drained.cancel();
  }

  std::shared_ptr<TcpService::Impl> service;
  tcp::socket socket;
  IpAddress client;
  asio::steady_timer deadline;
  asio::steady_timer drained;  // never expires: cancelled when `out` has been written
  std::list<std::weak_ptr<Connection>>::iterator place;
  std::string in;
  std::string out;
  bool writing = false;
  bool closed = false;
  bool no_more = false;       // the client has closed its side
  std::size_t in_flight = 0;  // queries that are being forwarded
  std::chrono::steady_clock::time_point idle_until;
};

namespace {

// What a coroutine may throw (no memory) costs its connection, not the server.
template <class Connection>
auto closes_on_failure(std::shared_ptr<Connection> connection) {
  return [connection = std::move(connection)](const std::exception_ptr& failure) {
    if (failure) connection->close();
  };
}

}  // namespace

// ── accepting ───────────────────────────────────────────────────────────────────────────────────

asio::awaitable<void> TcpService::Impl::accept(std::shared_ptr<tcp::acceptor> acceptor) {
  const auto self = shared_from_this();
  while (acceptor->is_open()) {
    auto [error, socket] = co_await acceptor->async_accept(kResult);
    if (!acceptor->is_open()) co_return;
    if (error) {  // out of descriptors, or the client has gone again: others still come
      asio::steady_timer pause{io, kAcceptPause};
      co_await pause.async_wait(kResult);
      continue;
    }
    admit(std::move(socket));
  }
}

// Clients whose connection the kernel has made already: closing the socket would reset them.
void TcpService::Impl::accept_queued(tcp::acceptor& acceptor) {
  boost::system::error_code error;
  (void)acceptor.non_blocking(true, error);
  while (!error) {
    auto socket = acceptor.accept(error);
    if (!error) admit(std::move(socket));
  }
}

void TcpService::Impl::admit(tcp::socket socket) {
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return;
  const auto client = address_of_peer(peer.address());
  const auto known = per_client.find(client);
  if (known != per_client.end() && known->second >= limits.connections_per_client) return;
  if (count >= limits.connections && !open.empty()) {
    if (const auto oldest = open.front().lock()) oldest->close();
  }
  (void)socket.set_option(tcp::no_delay{true}, error);
  ++per_client[client];
  ++count;
  auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket), client);
  connection->place = open.insert(open.end(), connection);
  connection->touch();
  asio::co_spawn(io, Connection::read(connection), closes_on_failure(connection));
  asio::co_spawn(io, Connection::watch(connection), closes_on_failure(connection));
}

// ── one connection ──────────────────────────────────────────────────────────────────────────────

asio::awaitable<void> TcpService::Connection::read(std::shared_ptr<Connection> self) {
  auto& service = self->service;
  auto& socket = self->socket;
  while (!self->closed) {
    if (self->out.size() > service->limits.unsent_bytes ||
        self->in_flight >= service->limits.pipelined) {
      self->drained.expires_at(asio::steady_timer::time_point::max());
      co_await self->drained.async_wait(kResult);
      continue;
    }
    const std::size_t had = self->in.size();
    self->in.resize(had + kReadSize);
    const auto [error, size] =
        co_await socket.async_read_some(asio::buffer(&self->in[had], kReadSize), kResult);
    self->in.resize(had + size);
    if (error || !self->answer_all()) break;
  }
  // Whoever closes its sending side still gets what it asked for.
  self->no_more = true;
  if (self->in_flight == 0 && self->out.empty()) self->close();
}

bool TcpService::Connection::answer_all() {
  std::size_t at = 0;
  const auto buffer = bytes_of(in);
  while (buffer.size() - at >= kLengthPrefix) {
    const std::size_t length = std::size_t{buffer[at]} << 8 | buffer[at + 1];
    if (length < header::kSize) return false;
    if (buffer.size() - at - kLengthPrefix < length) break;
    answer(buffer.subspan(at + kLengthPrefix, length));
    at += kLengthPrefix + length;
  }
  in.erase(0, at);
  return true;
}

void TcpService::Connection::answer(Bytes query) {
  touch();
  const auto answered =
      service->answer(query, client, false, [self = shared_from_this()](Bytes reply) {
        --self->in_flight;
        self->send(reply);
      });
  if (answered.later) ++in_flight;
  if (answered.size > 0) send(Bytes{service->reply}.first(answered.size));
}

template <class Later>
TcpService::Impl::Answered TcpService::Impl::answer(Bytes query, const IpAddress& client,
                                                    bool exempt, Later later) {
  const auto started = steady_now();
  const Asking asking{.client = client,
                      .stream = true,
                      .exempt = exempt,
                      .now = unix_now(),
                      .rotation = next_random(random)};
  exchange.autopath_step = 0;
  const Epochs::Inside inside{reader};
  const auto& zone = shared.zone.read();
  const auto& responder = shared.responder;
  auto origin = Origin::zone;
  auto outcome = responder.respond(zone, query, asking, exchange, reply);
  if (outcome.next == Next::drop) {
    counters.dropped.add();
    return {};
  }
  count_request(counters, exchange, client, Transport::tcp, query.size());
  while (outcome.next == Next::ask_upstream) {
    auto& outside = *shared.outside;
    const auto hit = outside.look_up(exchange, started);
    if (hit == Outside::Hit::next_step) {
      outcome = responder.respond(zone, query, asking, exchange, reply);
      continue;
    }
    origin = Origin::cache;
    if (hit == Outside::Hit::none) {
      if (outside.ask(exchange, asking, query, std::move(later))) {
        log_query(shared, exchange, client, Transport::tcp, 0);
        return {.later = true};
      }
      origin = Origin::refused;
      exchange.response.clear_records();
      exchange.response.set_rcode(Rcode::server_failure);
    }
    outcome = {Next::send, exchange.response.finish()};
  }
  count_reply(counters, exchange, origin, outcome.size);
  log_query(shared, exchange, client, Transport::tcp, outcome.size);
  counters.duration.add(static_cast<std::uint64_t>(steady_now() - started));
  return {.size = outcome.size};
}

void TcpService::Connection::send(Bytes reply) {
  if (closed) return;
  out.push_back(static_cast<char>(reply.size() >> 8));
  out.push_back(static_cast<char>(reply.size()));
  out.append(reinterpret_cast<const char*>(reply.data()), reply.size());
  touch();
  if (writing) return;
  writing = true;
  asio::co_spawn(service->io, write(shared_from_this()), closes_on_failure(shared_from_this()));
}

asio::awaitable<void> TcpService::Connection::write(std::shared_ptr<Connection> self) {
  while (!self->out.empty() && !self->closed) {
    const std::string batch = std::exchange(self->out, {});
    self->idle_until = std::chrono::steady_clock::now() + self->service->limits.write;
    self->deadline.cancel();
    const auto [error, size] =
        co_await asio::async_write(self->socket, asio::buffer(batch), kResult);
    if (error) {
      self->close();
      break;
    }
    self->touch();
  }
  self->writing = false;
  self->drained.cancel();
  if (self->no_more && self->in_flight == 0) self->close();
}

// Ends a connection whose time is over. Every sign of life moves the time and wakes this.
asio::awaitable<void> TcpService::Connection::watch(std::shared_ptr<Connection> self) {
  while (!self->closed) {
    self->deadline.expires_at(self->idle_until);
    const auto [cancelled] = co_await self->deadline.async_wait(kResult);
    if (self->closed || cancelled) continue;
    if (self->in_flight > 0) {
      self->touch();  // whoever waits for an upstream is not idle
    } else if (std::chrono::steady_clock::now() >= self->idle_until) {
      self->close();
    }
  }
}

void TcpService::Connection::touch() {
  idle_until = std::chrono::steady_clock::now() + service->limits.idle;
  service->open.splice(service->open.end(), service->open, place);
}

// ── the service ─────────────────────────────────────────────────────────────────────────────────

TcpService::TcpService(asio::any_io_executor executor, const Shared& shared, Epochs::Reader& reader,
                       std::uint64_t seed, TcpLimits limits)
    : impl_{std::make_shared<Impl>(std::move(executor), shared, reader, seed, limits)} {}

TcpService::~TcpService() = default;

Result<void> TcpService::listen(const proxy::config::SocketAddress& address, Locality locality) {
  using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  const std::string what = "listen on tcp " + address.text();
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address.address.text(), error);
  const tcp::endpoint endpoint{ip, address.port.value};
  auto acceptor = std::make_shared<tcp::acceptor>(impl_->io);
  if (!error) (void)acceptor->open(endpoint.protocol(), error);
  if (!error) (void)acceptor->set_option(tcp::acceptor::reuse_address{true}, error);
  if (!error) (void)acceptor->set_option(ReusePort{true}, error);
  if (!error && ip.is_v6()) (void)acceptor->set_option(asio::ip::v6_only{true}, error);
  if (!error && locality == Locality::later &&
      !allow_any_address(acceptor->native_handle(), address.address.family())) {
    error.assign(errno, boost::system::system_category());
  }
  if (!error) (void)acceptor->bind(endpoint, error);
  if (!error) (void)acceptor->listen(tcp::acceptor::max_listen_connections, error);
  if (error) return failed(error, what);
  impl_->acceptors.push_back(acceptor);
  asio::co_spawn(impl_->io, impl_->accept(std::move(acceptor)),
                 [](const std::exception_ptr& failure) {
                   if (failure) std::rethrow_exception(failure);  // ends the thread's run()
                 });
  return {};
}

void TcpService::answer(Bytes query, std::function<void(Bytes reply)> done) {
  const auto answered = impl_->answer(query, IpAddress::loopback(proxy::Family::v4), true, done);
  if (!answered.later) done(Bytes{impl_->reply}.first(answered.size));
}

// Sockets that listen on one address are numbered in the order in which they came, so ours is the
// first, and the next process's the second. Without one, the kernel ignores what the program says.
void TcpService::leave() {
  std::array<sock_filter, 1> second{{{BPF_RET | BPF_K, 0, 0, 1}}};
  const sock_fprog program{second.size(), second.data()};
  for (const auto& acceptor : impl_->acceptors) {
    (void)setsockopt(acceptor->native_handle(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                     sizeof program);
  }
}

void TcpService::stop() {
  boost::system::error_code ignored;
  for (const auto& acceptor : impl_->acceptors) {
    impl_->accept_queued(*acceptor);
    (void)acceptor->close(ignored);
  }
  for (const auto& weak : std::list{impl_->open}) {
    const auto connection = weak.lock();
    if (!connection) continue;
    (void)connection->socket.shutdown(tcp::socket::shutdown_receive, ignored);  // ends read()
  }
}

const Counters& TcpService::counters() const {
  return impl_->counters;
}
std::size_t TcpService::connections() const {
  return impl_->count;
}

}  // namespace dns::serve
