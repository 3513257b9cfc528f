#include "modes/userspace/worker.hpp"

#include "modes/userspace/admission.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <list>
#include <thread>

namespace modes::userspace {
namespace {

namespace asio = boost::asio;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Connections accepted in one go, before those that are there have their turn.
constexpr int kAcceptsPerTurn = 32;
// How long accepting pauses when there are no descriptors.
constexpr auto kPause = std::chrono::milliseconds{20};
// Turns of the epoll sets before the rest of the loop has its own.
constexpr int kTurns = 8;

constexpr std::int64_t kOfAConnection = 2;  // descriptors

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

tcp::RelaySettings relay_settings(const Settings& settings) {
  tcp::RelaySettings out;
  out.transparent = settings.transparent;
  out.marks = settings.listen == Listen::steered;
  return out;
}

udp::FlowSettings flow_settings(const Settings& settings, const Descriptors& descriptors) {
  udp::FlowSettings out;
  out.settings = &settings;
  out.transparent = settings.transparent;
  out.marks = out.sends_raw = settings.listen == Listen::steered;
  out.idle = settings.udp_idle;
  // A quarter of all descriptors: UDP must not keep TCP out.
  out.limit = std::max<std::size_t>(
      16, static_cast<std::size_t>(descriptors.limit()) / 4 / settings.workers);
  return out;
}

}  // namespace

struct Worker::Impl : std::enable_shared_from_this<Worker::Impl> {
  explicit Impl(const Parts& with)
      : parts{with}, relays_ready{io}, flows_ready{io}, relay_timer{io}, flow_timer{io} {}

  // A TCP listener with what Asio needs to wait for it.
  struct Accepting {
    Accepting(asio::io_context& context, Listener of)
        : listener{std::move(of)}, ready{context, listener.fd.get()}, pause{context} {}
    ~Accepting() { ready.release(); }
    Listener listener;
    asio::posix::stream_descriptor ready;
    asio::steady_timer pause;
    bool stopped = false;
  };

  Result<void> open();
  void run();
  void fail(const std::exception_ptr& error);
  void add(Listener listener);
  void stop_listening(const std::function<bool(const Listener&)>& which);
  void accept_batch(Accepting& from, bool& exhausted);
  void arrive(const Listener& listener, tcp::Accepted accepted);
  void account();

  static asio::awaitable<void> accept(std::shared_ptr<Impl> self,
                                      std::shared_ptr<Accepting> accepting);
  static asio::awaitable<void> turn_relays(std::shared_ptr<Impl> self);
  static asio::awaitable<void> turn_flows(std::shared_ptr<Impl> self);
  static asio::awaitable<void> keep_relay_time(std::shared_ptr<Impl> self);
  static asio::awaitable<void> keep_flow_time(std::shared_ptr<Impl> self);

  [[nodiscard]] WorkerFigures figures() const {
    return {relays->size(), flows->size(), relays->counts(), flows->counts(), pauses};
  }
  auto watcher() {
    return [this](const std::exception_ptr& error) { fail(error); };
  }

  Parts parts;
  asio::io_context io{1};  // before all that works on it
  Directory directory;
  std::unique_ptr<tcp::Relays> relays;
  std::unique_ptr<udp::Flows> flows;
  asio::posix::stream_descriptor relays_ready;
  asio::posix::stream_descriptor flows_ready;
  asio::steady_timer relay_timer;
  asio::steady_timer flow_timer;
  std::list<std::shared_ptr<Accepting>> tcp_listeners;
  std::list<Listener> udp_listeners;
  std::size_t accounted = 0;  // connections whose descriptors are taken
  std::uint64_t pauses = 0;
  bool told_of_shortage = false;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::thread thread;
};

Result<void> Worker::Impl::open() {
  auto opened = tcp::Relays::open(relay_settings(parts.settings));
  if (!opened) return opened.error();
  relays = std::move(*opened);
  auto opened_flows = udp::Flows::open(flow_settings(parts.settings, parts.descriptors), directory,
                                       parts.descriptors);
  if (!opened_flows) return opened_flows.error();
  flows = std::move(*opened_flows);
  relays_ready.assign(relays->fd());
  flows_ready.assign(flows->fd());
  return {};
}

void Worker::Impl::run() {
  const auto self = shared_from_this();
  asio::co_spawn(io, turn_relays(self), watcher());
  asio::co_spawn(io, turn_flows(self), watcher());
  asio::co_spawn(io, keep_relay_time(self), watcher());
  asio::co_spawn(io, keep_flow_time(self), watcher());
  io.run();
}

// A worker that cannot go on is a process that cannot.
void Worker::Impl::fail(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

// ── accepting ───────────────────────────────────────────────────────────────────────────────────

void Worker::Impl::add(Listener listener) {
  if (listener.protocol == Protocol::udp) {
    udp_listeners.push_back(std::move(listener));
    if (auto done = flows->listen(udp_listeners.back()); !done) parts.warn(done.error().text());
    return;
  }
  auto accepting = std::make_shared<Accepting>(io, std::move(listener));
  tcp_listeners.push_back(accepting);
  asio::co_spawn(io, accept(shared_from_this(), accepting), watcher());
}

void Worker::Impl::stop_listening(const std::function<bool(const Listener&)>& which) {
  std::erase_if(tcp_listeners, [&](const std::shared_ptr<Accepting>& accepting) {
    if (!which(accepting->listener)) return false;
    accepting->stopped = true;
    accepting->ready.cancel();
    accepting->pause.cancel();
    return true;
  });
  std::erase_if(udp_listeners, [&](const Listener& listener) {
    if (!which(listener)) return false;
    flows->ignore(listener);
    return true;
  });
}

asio::awaitable<void> Worker::Impl::accept(std::shared_ptr<Impl> self,
                                           std::shared_ptr<Accepting> accepting) {
  while (!accepting->stopped) {
    const auto [error] =
        co_await accepting->ready.async_wait(asio::posix::stream_descriptor::wait_read, kAwait);
    if (accepting->stopped) break;
    bool exhausted = false;
    if (!error) self->accept_batch(*accepting, exhausted);
    if (!exhausted) continue;
    ++self->pauses;
    if (!std::exchange(self->told_of_shortage, true)) {
      self->parts.warn("no descriptors left for more connections (the limit is " +
                       std::to_string(self->parts.descriptors.limit()) +
                       ", two for each): clients wait until others leave; raise RLIMIT_NOFILE");
    }
    accepting->pause.expires_after(kPause);
    co_await accepting->pause.async_wait(kAwait);
  }
}

void Worker::Impl::accept_batch(Accepting& from, bool& exhausted) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (!parts.descriptors.take(kOfAConnection)) {
      exhausted = true;
      return;
    }
    auto accepted = tcp::accept_from(from.listener.fd.get());
    if (!accepted) {
      parts.descriptors.give(kOfAConnection);
      const int error = accepted.error().code.value();
      exhausted = is_shortage(error);
      if (exhausted || error == EAGAIN) return;
      continue;  // a connection that was gone before it was accepted
    }
    ++accounted;
    arrive(from.listener, std::move(*accepted));
  }
}

void Worker::Impl::arrive(const Listener& listener, tcp::Accepted accepted) {
  const auto to = listener.steered ? tcp::original_destination(accepted.fd.get(), listener.family)
                                   : tcp::local_address(accepted.fd.get());
  const ServicePtr* service = nullptr;
  Vip vip{.address = {}, .port = {}, .protocol = Protocol::tcp};
  if (to) {
    vip.address = to->address;
    vip.port = to->port;
    service = directory.find(vip);
  }
  const auto by = listener.steered ? listener.entrance
                                   : entrance_of(parts.settings, accepted.client.address, vip);
  if (service == nullptr ||
      (!listener.steered && !admits(**service, vip, accepted.client.address))) {
    tcp::reset(std::move(accepted.fd));
  } else {
    relays->begin({std::move(accepted.fd), accepted.client, vip, by, *service});
    if (const auto deadline = relays->next_deadline();
        deadline && *deadline < relay_timer.expiry()) {
      relay_timer.cancel();
    }
  }
  account();
}

// Descriptors of connections that are gone go back.
void Worker::Impl::account() {
  const auto now = relays->size();
  if (now >= accounted) return;
  parts.descriptors.give(kOfAConnection * static_cast<std::int64_t>(accounted - now));
  accounted = now;
  told_of_shortage = told_of_shortage && parts.descriptors.left() < parts.descriptors.limit() / 10;
}

// ── turning ─────────────────────────────────────────────────────────────────────────────────────

asio::awaitable<void> Worker::Impl::turn_relays(std::shared_ptr<Impl> self) {
  for (;;) {
    bool more = true;
    for (int i = 0; i < kTurns && more; ++i) more = self->relays->turn();
    self->account();
    if (const auto deadline = self->relays->next_deadline();
        deadline && *deadline < self->relay_timer.expiry()) {
      self->relay_timer.cancel();
    }
    if (more) {
      co_await asio::post(asio::use_awaitable);
      continue;
    }
    const auto [error] =
        co_await self->relays_ready.async_wait(asio::posix::stream_descriptor::wait_read, kAwait);
    if (error) co_return;
  }
}

asio::awaitable<void> Worker::Impl::turn_flows(std::shared_ptr<Impl> self) {
  for (;;) {
    bool more = true;
    for (int i = 0; i < kTurns && more; ++i) more = self->flows->turn();
    if (more) {
      co_await asio::post(asio::use_awaitable);
      continue;
    }
    const auto [error] =
        co_await self->flows_ready.async_wait(asio::posix::stream_descriptor::wait_read, kAwait);
    if (error) co_return;
  }
}

asio::awaitable<void> Worker::Impl::keep_relay_time(std::shared_ptr<Impl> self) {
  for (;;) {
    const auto next = self->relays->next_deadline();
    self->relay_timer.expires_at(next.value_or(Clock::time_point::max()));
    co_await self->relay_timer.async_wait(kAwait);  // cancelled: there is an earlier deadline
    if (self->io.stopped()) co_return;
    self->relays->expire(Clock::now());
    self->account();
  }
}

asio::awaitable<void> Worker::Impl::keep_flow_time(std::shared_ptr<Impl> self) {
  for (;;) {
    // Coarse: a flow may live this much longer.
    self->flow_timer.expires_after(std::chrono::seconds{1});
    const auto [cancelled] = co_await self->flow_timer.async_wait(kAwait);
    if (cancelled) co_return;
    self->flows->expire(Clock::now());
  }
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────

Worker::Worker(std::shared_ptr<Impl> impl) : impl_{std::move(impl)} {}

Result<std::unique_ptr<Worker>> Worker::start(const Parts& parts, std::vector<Listener> listeners) {
  auto impl = std::make_shared<Impl>(parts);
  if (auto opened = impl->open(); !opened) return opened.error();
  std::unique_ptr<Worker> worker{new Worker{impl}};
  worker->add_listeners(std::move(listeners), {});
  impl->thread = std::thread{[impl] { impl->run(); }};
  return worker;
}

Worker::~Worker() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->io, [impl = impl_.get()] {
    impl->stop_listening([](const Listener&) { return true; });
    impl->relays->abort_all();
    impl->io.stop();
  });
  impl_->thread.join();
  impl_->relays_ready.release();  // belong to relays and flows
  impl_->flows_ready.release();
}

void Worker::put(Changes changes, Done done) {
  asio::post(impl_->io, [impl = impl_.get(), changes = std::move(changes), done = std::move(done)] {
    for (const auto& change : *changes) {
      if (change.after) impl->directory.put(change.after);
    }
    impl->flows->services_changed();
    if (done) done();
  });
}

void Worker::drop(Changes changes, Done done) {
  asio::post(impl_->io, [impl = impl_.get(), changes = std::move(changes), done = std::move(done)] {
    for (const auto& change : *changes) impl->directory.drop(change);
    impl->flows->services_changed();
    if (done) done();
  });
}

void Worker::add_listeners(std::vector<Listener> listeners, Done done) {
  auto shared = std::make_shared<std::vector<Listener>>(std::move(listeners));
  asio::post(impl_->io, [impl = impl_.get(), shared = std::move(shared), done = std::move(done)] {
    for (auto& listener : *shared) impl->add(std::move(listener));
    if (done) done();
  });
}

void Worker::remove_listeners(std::vector<Vip> at, Done done) {
  asio::post(impl_->io, [impl = impl_.get(), at = std::move(at), done = std::move(done)] {
    impl->stop_listening([&](const Listener& listener) {
      const auto address = tcp::local_address(listener.fd.get());
      return address && std::ranges::find(at, Vip{address->address, address->port,
                                                  listener.protocol}) != at.end();
    });
    if (done) done();
  });
}

void Worker::stop_accepting(Done done) {
  asio::post(impl_->io, [impl = impl_.get(), done = std::move(done)] {
    impl->stop_listening([](const Listener&) { return true; });
    if (done) done();
  });
}

void Worker::ask(std::function<void(const WorkerFigures&)> answer) {
  asio::post(impl_->io,
             [impl = impl_.get(), answer = std::move(answer)] { answer(impl->figures()); });
}

}  // namespace modes::userspace
