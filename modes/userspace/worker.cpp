#include "modes/userspace/worker.hpp"

#include "modes/userspace/admission.hpp"
#include "modes/userspace/event_loop.hpp"

#include <algorithm>
#include <list>
#include <thread>
#include <unordered_map>

namespace modes::userspace {
namespace {

// Connections accepted in one go. Few: what is left another worker may take that has less to do.
constexpr int kAcceptsPerTurn = 4;
// How long accepting pauses when there are no descriptors.
constexpr auto kPause = std::chrono::milliseconds{20};
// Coarse: a flow may live this much longer than its idle time.
constexpr auto kFlowStep = std::chrono::seconds{1};

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

struct Worker::Impl {
  explicit Impl(const Parts& with, EventLoop of) : parts{with}, loop{std::move(of)} {}

  Result<void> open();
  void run();
  void add(Listener listener);
  void stop_listening(const std::function<bool(const Listener&)>& which);
  void accept_from(std::uint32_t number, const Listener& listener);
  void accept_batch(std::uint32_t number);
  void pause(std::uint32_t number);
  void resume_accepting();
  void arrive(const Listener& listener, tcp::Accepted accepted);
  void account();
  [[nodiscard]] std::optional<Clock::time_point> next_deadline() const;
  void keep_time(Clock::time_point now);

  [[nodiscard]] WorkerFigures figures() const {
    return {relays->size(), flows->size(), relays->counts(), flows->counts(), pauses};
  }

  Parts parts;
  EventLoop loop;  // before all that is in it
  Directory directory;
  Tallies tallies;  // before those who count
  std::unique_ptr<tcp::Relays> relays;
  std::unique_ptr<udp::Flows> flows;
  std::unordered_map<std::uint32_t, Listener> tcp_listeners;  // by the number in their token
  std::uint32_t next_listener = 0;
  std::list<Listener> udp_listeners;
  std::vector<std::uint32_t> paused;  // listeners, until:
  Clock::time_point paused_until;
  Clock::time_point flows_due;  // expire() of flows, if there are any
  std::size_t accounted = 0;    // connections whose descriptors are taken
  std::uint64_t pauses = 0;
  bool told_of_shortage = false;
  bool ended = false;
  std::thread thread;
};

Result<void> Worker::Impl::open() {
  relays = std::make_unique<tcp::Relays>(relay_settings(parts.settings), loop, tallies);
  auto opened_flows = udp::Flows::open(flow_settings(parts.settings, parts.descriptors), directory,
                                       parts.descriptors, tallies);
  if (!opened_flows) return opened_flows.error();
  flows = std::move(*opened_flows);
  if (!loop.watch(flows->fd(), EPOLLIN, {.watcher = Watcher::flows})) {
    return proxy::system_error(errno, "watch the flows");
  }
  return {};
}

void Worker::Impl::run() {
  bool more = false;
  while (!ended) {
    const auto events = loop.wait(more ? Clock::time_point{} : next_deadline());
    for (const auto& event : events) {
      const auto token = Token::of(event);
      switch (token.watcher) {
        case Watcher::relay:
          relays->handle(token, event.events);
          break;
        case Watcher::listener:
          accept_batch(token.number);
          break;
        case Watcher::flows:
          (void)flows->turn();  // what is left makes its descriptor ready again
          break;
        case Watcher::messages:
          break;
      }
    }
    more = relays->resume();
    keep_time(Clock::now());
    account();
  }
}

// ── accepting ───────────────────────────────────────────────────────────────────────────────────

void Worker::Impl::add(Listener listener) {
  if (listener.protocol == Protocol::udp) {
    udp_listeners.push_back(std::move(listener));
    if (auto done = flows->listen(udp_listeners.back()); !done) parts.warn(done.error().text());
    return;
  }
  const auto number = next_listener++;
  accept_from(number, tcp_listeners.emplace(number, std::move(listener)).first->second);
}

// Of the workers that wait for it one is woken, not all.
void Worker::Impl::accept_from(std::uint32_t number, const Listener& listener) {
  if (!loop.watch(listener.fd.get(), EPOLLIN | EPOLLEXCLUSIVE,
                  {.watcher = Watcher::listener, .number = number})) {
    parts.warn(proxy::system_error(errno, "watch a listening socket").text());
  }
}

void Worker::Impl::stop_listening(const std::function<bool(const Listener&)>& which) {
  std::erase_if(tcp_listeners, [&](const auto& numbered) {
    if (!which(numbered.second)) return false;
    loop.forget(numbered.second.fd.get());  // others have it too: closing is not enough
    return true;
  });
  std::erase_if(udp_listeners, [&](const Listener& listener) {
    if (!which(listener)) return false;
    flows->ignore(listener);
    return true;
  });
}

void Worker::Impl::accept_batch(std::uint32_t number) {
  const auto from = tcp_listeners.find(number);
  if (from == tcp_listeners.end()) return;  // by a message of this very turn
  const auto& listener = from->second;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (!parts.descriptors.take(kOfAConnection)) return pause(number);
    auto accepted = tcp::accept_from(listener.fd.get());
    if (!accepted) {
      parts.descriptors.give(kOfAConnection);
      const int error = accepted.error().code.value();
      if (is_shortage(error)) return pause(number);
      if (error == EAGAIN) return;
      continue;  // a connection that was gone before it was accepted
    }
    ++accounted;
    arrive(listener, std::move(*accepted));
  }
}

// Who cannot be accepted waits in the kernel's queue meanwhile.
void Worker::Impl::pause(std::uint32_t number) {
  ++pauses;
  if (!std::exchange(told_of_shortage, true)) {
    parts.warn("no descriptors left for more connections (the limit is " +
               std::to_string(parts.descriptors.limit()) +
               ", two for each): clients wait until others leave; raise RLIMIT_NOFILE");
  }
  loop.forget(tcp_listeners.at(number).fd.get());
  if (paused.empty()) paused_until = Clock::now() + kPause;
  paused.push_back(number);
}

void Worker::Impl::resume_accepting() {
  for (const auto number : std::exchange(paused, {})) {
    const auto it = tcp_listeners.find(number);
    if (it != tcp_listeners.end()) accept_from(number, it->second);
  }
}

void Worker::Impl::arrive(const Listener& listener, tcp::Accepted accepted) {
  Vip vip{.address = listener.address, .port = listener.port, .protocol = Protocol::tcp};
  auto by = listener.entrance;
  bool welcome = true;
  if (listener.steered) {
    const auto to = tcp::original_destination(accepted.fd.get(), listener.family);
    welcome = to.has_value();
    if (to) {
      vip.address = to->address;
      vip.port = to->port;
    }
  } else {
    by = entrance_of(parts.settings, accepted.client.address, vip);
  }
  const auto* service = welcome ? directory.find(vip) : nullptr;
  if (service == nullptr) {
    tcp::reset(std::move(accepted.fd));
  } else if (!listener.steered && !admits(**service, vip, accepted.client.address)) {
    tallies.begin(**service).refuse();
    tcp::reset(std::move(accepted.fd));
  } else {
    relays->begin({std::move(accepted.fd), accepted.client, vip, by, *service});
  }
}

// Descriptors of connections that are gone go back.
void Worker::Impl::account() {
  const auto now = relays->size();
  if (now >= accounted) return;
  parts.descriptors.give(kOfAConnection * static_cast<std::int64_t>(accounted - now));
  accounted = now;
  told_of_shortage = told_of_shortage && parts.descriptors.left() < parts.descriptors.limit() / 10;
}

// ── time ────────────────────────────────────────────────────────────────────────────────────────

std::optional<Clock::time_point> Worker::Impl::next_deadline() const {
  auto next = relays->next_deadline();
  const auto also = [&](Clock::time_point at) { next = next ? std::min(*next, at) : at; };
  if (!paused.empty()) also(paused_until);
  if (flows->size() > 0) also(flows_due);
  return next;
}

void Worker::Impl::keep_time(Clock::time_point now) {
  relays->expire(now);
  if (!paused.empty() && paused_until <= now) resume_accepting();
  if (flows_due <= now) {
    flows->expire(now);
    flows_due = now + kFlowStep;
  }
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────

Worker::Worker(std::shared_ptr<Impl> impl) : impl_{std::move(impl)} {}

Result<std::unique_ptr<Worker>> Worker::start(const Parts& parts, std::vector<Listener> listeners) {
  auto loop = EventLoop::open();
  if (!loop) return loop.error();
  auto impl = std::make_shared<Impl>(parts, std::move(*loop));
  if (auto opened = impl->open(); !opened) return opened.error();
  std::unique_ptr<Worker> worker{new Worker{impl}};
  worker->add_listeners(std::move(listeners), {});
  impl->thread = std::thread{[impl] { impl->run(); }};
  return worker;
}

Worker::~Worker() {
  if (!impl_->thread.joinable()) return;
  impl_->loop.post([impl = impl_.get()] {
    impl->stop_listening([](const Listener&) { return true; });
    impl->relays->abort_all();
    impl->ended = true;
  });
  impl_->thread.join();
}

void Worker::put(Changes changes, Done done) {
  impl_->loop.post([impl = impl_.get(), changes = std::move(changes), done = std::move(done)] {
    for (const auto& change : *changes) {
      if (change.after) impl->directory.put(change.after);
    }
    impl->flows->services_changed();
    if (done) done();
  });
}

void Worker::drop(Changes changes, Done done) {
  impl_->loop.post([impl = impl_.get(), changes = std::move(changes), done = std::move(done)] {
    for (const auto& change : *changes) {
      impl->directory.drop(change);
      if (change.before) impl->tallies.replace(*change.before, change.after.get());
    }
    impl->flows->services_changed();
    if (done) done();
  });
}

void Worker::add_listeners(std::vector<Listener> listeners, Done done) {
  auto shared = std::make_shared<std::vector<Listener>>(std::move(listeners));
  impl_->loop.post([impl = impl_.get(), shared = std::move(shared), done = std::move(done)] {
    for (auto& listener : *shared) impl->add(std::move(listener));
    if (done) done();
  });
}

void Worker::remove_listeners(std::vector<Vip> at, Done done) {
  impl_->loop.post([impl = impl_.get(), at = std::move(at), done = std::move(done)] {
    impl->stop_listening([&](const Listener& listener) {
      const Vip place{listener.address, listener.port, listener.protocol};
      return std::ranges::find(at, place) != at.end();
    });
    if (done) done();
  });
}

void Worker::stop_accepting(Done done) {
  impl_->loop.post([impl = impl_.get(), done = std::move(done)] {
    impl->stop_listening([](const Listener&) { return true; });
    if (done) done();
  });
}

void Worker::tell_sockets(std::function<void(Sockets)> answer) {
  impl_->loop.post([impl = impl_.get(), answer = std::move(answer)] {
    Sockets sockets;
    for (const auto& [number, listener] : impl->tcp_listeners) {
      sockets.tcp.push_back(listener.fd.get());
    }
    for (const auto& listener : impl->udp_listeners) sockets.udp.push_back(listener.fd.get());
    answer(std::move(sockets));
  });
}

void Worker::ask(std::function<void(const WorkerFigures&)> answer) {
  impl_->loop.post([impl = impl_.get(), answer = std::move(answer)] { answer(impl->figures()); });
}

void Worker::ask_traffic(ServicesAsked services,
                         std::function<void(std::vector<ServiceTally>)> answer) {
  impl_->loop.post(
      [impl = impl_.get(), services = std::move(services), answer = std::move(answer)] {
        std::vector<ServiceTally> out;
        out.reserve(services->size());
        for (const auto& service : *services) out.push_back(impl->tallies.of(*service));
        answer(std::move(out));
      });
}

}  // namespace modes::userspace
