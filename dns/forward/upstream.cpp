#include "dns/forward/upstream.hpp"

#include "dns/forward/stream_client.hpp"
#include "dns/message.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <random>

namespace dns::forward {

using asio::ip::udp;
using Clock = std::chrono::steady_clock;
using Wire = std::vector<std::uint8_t>;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
constexpr int kMaxFailures = 2;  // in a row; then others are asked first
constexpr std::chrono::milliseconds kProbePause{500};
constexpr std::chrono::seconds kProbeTime{1};

proxy::Error failed(const boost::system::error_code& code, const std::string& what) {
  return proxy::system_error(code.value(), what);
}

// An id that nobody can guess: together with the kernel's choice of the source port it is what a
// forged reply has to hit (RFC 5452).
std::uint16_t unpredictable_id() {
  static thread_local std::random_device device;
  return static_cast<std::uint16_t>(device());
}

Rcode rcode_of(Bytes message) {
  return static_cast<Rcode>(message[header::kFlags + 1] & flag::kRcodeMask);
}

}  // namespace

struct Upstream::Impl : std::enable_shared_from_this<Upstream::Impl> {
  Impl(asio::any_io_executor executor, UpstreamAddress upstream)
      : io{std::move(executor)},
        address{std::move(upstream)},
        stream{io, address},
        probe_timer{io} {}

  asio::awaitable<Result<StoredAnswer>> ask(LowerName name, Type type, bool dnssec_ok,
                                            bool checking_disabled, Clock::time_point deadline);
  asio::awaitable<Result<Wire>> exchange_udp(const Wire& query, const LowerName& name, Type type,
                                             Clock::time_point deadline);
  asio::awaitable<void> probe();
  [[nodiscard]] Wire query_for(const LowerName& name, Type type, bool dnssec_ok,
                               bool checking_disabled) const;
  void succeeded(Clock::duration took, Rcode rcode);
  void failed_once();

  asio::any_io_executor io;
  UpstreamAddress address;
  StreamClient stream;
  asio::steady_timer probe_timer;
  UpstreamFigures figures;
  std::chrono::nanoseconds round_trip{0};
  int failures = 0;
  bool without_edns = false;  // it answered an OPT record with FORMERR or NOTIMP
  bool probing = false;
  bool excluded = false;
  bool stopped = false;
};

Wire Upstream::Impl::query_for(const LowerName& name, Type type, bool dnssec_ok,
                               bool checking_disabled) const {
  auto query = make_query(unpredictable_id(), name, type, without_edns ? 0 : kMaxUdpSize);
  if (checking_disabled) {
    query[header::kFlags + 1] =
        static_cast<std::uint8_t>(query[header::kFlags + 1] | flag::kCheckingDisabled);
  }
  if (dnssec_ok && !without_edns) query[query.size() - 4] = kDnssecOk >> 8;
  return query;
}

asio::awaitable<Result<Wire>> Upstream::Impl::exchange_udp(const Wire& query, const LowerName& name,
                                                           Type type, Clock::time_point deadline) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address.address.address.text(), error);
  const udp::endpoint endpoint{ip, address.address.port.value};
  // A socket for each question: its own random port, and errors from the network come to it.
  const auto socket = std::make_shared<udp::socket>(io);
  if (!error) (void)socket->open(endpoint.protocol(), error);
  if (!error) (void)socket->connect(endpoint, error);
  if (error) co_return failed(error, "open a socket to " + address.text());
  std::size_t size = 0;
  std::tie(error, size) = co_await socket->async_send(asio::buffer(query), kResult);
  if (error) co_return failed(error, "ask " + address.text());
  asio::steady_timer timer{io, deadline};
  timer.async_wait([socket](const boost::system::error_code& cancelled) {
    boost::system::error_code ignored;
    if (!cancelled) (void)socket->close(ignored);
  });
  Wire reply(4096);  // more than we said we take
  while (true) {
    std::tie(error, size) = co_await socket->async_receive(asio::buffer(reply), kResult);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
      co_return proxy::system_error(ETIMEDOUT, address.text());
    }
    if (error) co_return failed(error, "hear from " + address.text());
    const Bytes bytes{reply.data(), size};
    // What is no reply to this very question may be forged: the real one may still come.
    if (size < header::kSize || Reader{bytes}.u16() != Reader{query}.u16()) continue;
    const auto rcode = rcode_of(bytes);
    const bool refuses_edns =
        !without_edns && (rcode == Rcode::format_error || rcode == Rcode::not_implemented);
    if (!parse_reply(bytes, name, type) && !refuses_edns) continue;
    reply.resize(size);
    co_return std::move(reply);
  }
}

asio::awaitable<Result<StoredAnswer>> Upstream::Impl::ask(LowerName name, Type type, bool dnssec_ok,
                                                          bool checking_disabled,
                                                          Clock::time_point deadline) {
  const auto self = shared_from_this();
  const auto started = Clock::now();
  bool by_stream = address.tls;
  while (true) {
    const auto query = query_for(name, type, dnssec_ok, checking_disabled);
    Result<Wire> wire =
        Wire{};  // two statements: GCC 12 destroys operands of ?: with co_await twice
    if (by_stream) {
      wire = co_await stream.exchange(query, deadline);
    } else {
      wire = co_await exchange_udp(query, name, type, deadline);
    }
    if (!wire) {
      failed_once();
      co_return wire.error();
    }
    auto reply = parse_reply(*wire, name, type);
    const auto rcode = wire->size() < header::kSize ? Rcode::no_error : rcode_of(*wire);
    if (!without_edns && (rcode == Rcode::format_error || rcode == Rcode::not_implemented) &&
        (!reply || !reply->has_edns)) {
      without_edns = true;  // RFC 6891 §7
      continue;
    }
    if (!reply) {
      failed_once();
      co_return proxy::within(address.text(), reply.error());
    }
    if (reply->truncated && !by_stream) {
      by_stream = true;
      continue;
    }
    if (reply->truncated) {  // where there is no limit: not an answer, least of all an empty one
      failed_once();
      co_return proxy::within(address.text(), proxy::invalid("a reply cut short by TCP"));
    }
    succeeded(Clock::now() - started, reply->answer.rcode);
    co_return std::move(reply->answer);
  }
}

void Upstream::Impl::succeeded(Clock::duration took, Rcode rcode) {
  failures = 0;
  figures.healthy = true;
  figures.replies[serve::index_of(rcode)].add();
  figures.duration.add(static_cast<std::uint64_t>(took.count()));
  round_trip = round_trip.count() == 0 ? took : (round_trip * 7 + took) / 8;  // RFC 6298 §2
}

void Upstream::Impl::failed_once() {
  figures.failures.add();
  if (++failures < kMaxFailures || probing || stopped) return;
  figures.healthy = false;
  probing = true;
  asio::co_spawn(io, probe(),
                 [self = shared_from_this()](const std::exception_ptr&) { self->probing = false; });
}

// Any reply at all brings it back: what it says is for those who ask.
asio::awaitable<void> Upstream::Impl::probe() {
  const auto self = shared_from_this();
  const LowerName root;
  while (!stopped && failures >= kMaxFailures) {
    probe_timer.expires_after(kProbePause);
    (void)co_await probe_timer.async_wait(kResult);
    if (stopped) co_return;
    const auto query = query_for(root, Type::ns, false, false);
    const auto deadline = Clock::now() + kProbeTime;
    Result<Wire> reply = Wire{};
    if (address.tls) {
      reply = co_await stream.exchange(query, deadline);
    } else {
      reply = co_await exchange_udp(query, root, Type::ns, deadline);
    }
    if (reply) {
      failures = 0;
      figures.healthy = true;
    } else {
      figures.probe_failures.add();
    }
  }
}

Upstream::Upstream(asio::any_io_executor executor, UpstreamAddress address)
    : impl_{std::make_shared<Impl>(std::move(executor), std::move(address))} {}

Upstream::~Upstream() {
  stop();
}

void Upstream::stop() {
  impl_->stopped = true;
  impl_->probe_timer.cancel();
  impl_->stream.stop();
}

asio::awaitable<Result<StoredAnswer>> Upstream::ask(const LowerName& name, Type type,
                                                    bool dnssec_ok, bool checking_disabled,
                                                    Clock::time_point deadline) {
  return impl_->ask(name, type, dnssec_ok, checking_disabled, deadline);
}

const UpstreamAddress& Upstream::address() const {
  return impl_->address;
}
const UpstreamFigures& Upstream::figures() const {
  return impl_->figures;
}
bool Upstream::is_healthy() const {
  return impl_->failures < kMaxFailures;
}
std::chrono::nanoseconds Upstream::round_trip() const {
  return impl_->round_trip;
}
void Upstream::exclude() {
  impl_->excluded = true;
}
bool Upstream::is_excluded() const {
  return impl_->excluded;
}

}  // namespace dns::forward
