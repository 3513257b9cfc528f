#include "dns/serve/server.hpp"

#include "dns/forward/resolver.hpp"
#include "dns/message.hpp"
#include "dns/serve/metrics.hpp"
#include "dns/serve/udp_worker.hpp"
#include "dns/zone_builder.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>

#include <algorithm>
#include <future>
#include <thread>

namespace dns::serve {

namespace asio = boost::asio;

namespace {

// Ports of one number for UDP and TCP: where the kernel chooses, TCP's may be taken.
constexpr int kPortAttempts = 20;
constexpr std::chrono::seconds kDrainTime{2};
// Between leaving an address and closing it: for what the kernel has given us already, and for TCP
// handshakes under way.
constexpr std::chrono::milliseconds kLeaveTime{100};

std::uint64_t random_number() {
  std::uint64_t number = 0;
  while (getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  return number;
}

SipKey random_key() {
  SipKey key;
  while (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
  }
  return key;
}

unsigned cpu_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(CPU_COUNT(&set), 1));
}

ServerOptions complete(ServerOptions options) {
  if (options.workers == 0) options.workers = cpu_count();
  if (options.zone.hash_seed == 0) options.zone.hash_seed = random_number();
  if (!options.responder.cookie_key) options.responder.cookie_key = random_key();
  options.responder.recursion =
      !options.forward.upstreams.empty() || !options.forward.stub_domains.empty();
  for (const auto& stub : options.forward.stub_domains) {
    if (options.forward.upstreams.empty()) options.responder.only_below.push_back(stub.domain);
    if (stub.domain.is_below_or_at(options.zone.domain) && !(stub.domain == options.zone.domain)) {
      options.zone.delegated.push_back(stub.domain);
    }
  }
  options.responder.tcp_idle = options.tcp.idle;
  return options;
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions given, proxy::Log& to)
      : options{complete(std::move(given))},
        log{to},
        builder{options.zone, unix_now},
        zone{epochs, builder.snapshot()},
        responder{options.responder},
        service_reader{epochs.add_reader()},
        shared{.zone = zone,
               .responder = responder,
               .outside = nullptr,
               .rate_limit = options.rate_limit,
               .query_log = options.log_queries ? &log : nullptr} {
    if (options.responder.recursion) {
      resolver =
          std::make_unique<forward::Resolver>(service_io.get_executor(), options.forward, shared,
                                              epochs, service_reader, random_number(), log);
      shared.outside = resolver.get();
    }
    tcp = std::make_unique<TcpService>(service_io.get_executor(), shared, service_reader,
                                       random_number(), options.tcp);
  }

  [[nodiscard]] Result<void> listen();
  [[nodiscard]] Result<void> listen(const SocketAddress& wanted, Locality locality,
                                    std::vector<std::vector<proxy::UniqueFd>>& sockets);
  [[nodiscard]] Result<bool> has_predecessor() const;
  void join_predecessor();
  void start();
  void stop();
  void publish();

  ServerOptions options;
  proxy::Log& log;
  Epochs epochs;
  ZoneBuilder builder;
  Published<Zone> zone;
  Responder responder;
  asio::io_context service_io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{service_io.get_executor()};
  Epochs::Reader& service_reader;
  Shared shared;
  std::unique_ptr<forward::Resolver> resolver;
  std::unique_ptr<TcpService> tcp;
  std::vector<std::unique_ptr<UdpWorker>> workers;
  std::vector<SocketAddress> addresses;
  std::thread service_thread;
  node::NodeLocal node_local{{.owner = random_number(), .addresses = options.node_local}};
  bool running = false;
  bool waiting = false;  // a predecessor answers until we know the zone
};

// One socket for each worker, all on the same port.
Result<void> Server::Impl::listen(const SocketAddress& wanted, Locality locality,
                                  std::vector<std::vector<proxy::UniqueFd>>& sockets) {
  for (int attempt = 0;; ++attempt) {
    std::vector<proxy::UniqueFd> bound;
    auto address = wanted;
    while (bound.size() < options.workers) {
      auto fd = bind_udp(address, locality);
      if (!fd) return fd.error();
      const auto actual = bound_address(fd->get());
      if (!actual) return actual.error();
      address.port = actual->port;
      bound.push_back(std::move(*fd));
    }
    const auto listening = tcp->listen(address, locality);
    if (!listening) {
      const bool port_taken = listening.error().code == std::errc::address_in_use;
      if (wanted.port.value == 0 && port_taken && attempt < kPortAttempts) continue;
      return listening.error();
    }
    for (unsigned i = 0; i < options.workers; ++i) sockets[i].push_back(std::move(bound[i]));
    addresses.push_back(address);
    return {};
  }
}

Result<void> Server::Impl::listen() {
  std::vector<std::vector<proxy::UniqueFd>> sockets(options.workers);
  for (const auto& address : options.listen) {
    if (auto bound = listen(address, Locality::now, sockets); !bound) return bound.error();
  }
  for (const auto& address : options.node_local) {
    if (auto bound = listen(address, Locality::later, sockets); !bound) return bound.error();
  }
  for (auto& of_worker : sockets) {
    workers.push_back(std::make_unique<UdpWorker>(shared, epochs.add_reader(), std::move(of_worker),
                                                  random_number()));
  }
  return {};
}

// Whether a predecessor still serves any of the addresses.
Result<bool> Server::Impl::has_predecessor() const {
  for (const auto* list : {&options.listen, &options.node_local}) {
    for (const auto& address : *list) {
      if (address.port.value == 0) continue;
      const auto served = is_served(address);
      if (!served || *served) return served;
    }
  }
  return false;
}

void Server::Impl::start() {
  running = true;
  if (resolver) resolver->start();
  // Signals are the control thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  service_thread = std::thread{[this] { service_io.run(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  for (const auto& worker : workers) worker->start();
}

// The predecessor has answered until now. It may go on: the kernel spreads clients over both.
void Server::Impl::join_predecessor() {
  std::promise<Result<void>> listened;
  asio::post(service_io, [&] { listened.set_value(listen()); });
  if (const auto done = listened.get_future().get(); !done) {
    workers.clear();
    addresses.clear();
    log.error("dns: " + done.error().text() + "; tried again when records change");
    return;
  }
  for (const auto& worker : workers) worker->start();
  waiting = false;
  if (const auto taken = node_local.take(); !taken) {
    log.error("dns: node-local addresses: " + taken.error().text());
  }
}

void Server::Impl::stop() {
  if (!std::exchange(running, false)) return;
  const auto complain = [&](const Result<void>& done) {
    if (!done) log.error("dns: node-local addresses: " + done.error().text());
  };
  complain(node_local.turn_away());
  for (const auto& worker : workers) worker->leave();
  asio::post(service_io, [this] { tcp->leave(); });
  std::this_thread::sleep_for(kLeaveTime);
  for (const auto& worker : workers) worker->stop();
  asio::post(service_io, [this] {
    tcp->stop();
    work.reset();
  });
  // Questions on their way get a little time; whoever still waits then asks another server.
  const auto until = std::chrono::steady_clock::now() + kDrainTime;
  while ((tcp->connections() > 0 || (resolver && resolver->waiting() > 0)) &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  asio::post(service_io, [this] {
    if (resolver) resolver->stop();
    service_io.stop();
  });
  service_thread.join();
  complain(node_local.leave());
}

void Server::Impl::publish() {
  if (builder.changed()) {
    zone.publish(builder.snapshot());
  } else {
    zone.collect();
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}

Server::~Server() {
  stop();
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, proxy::Log& log) {
  auto impl = std::make_unique<Impl>(std::move(options), log);
  const auto predecessor = impl->has_predecessor();
  if (!predecessor) return proxy::within("dns", predecessor.error());
  impl->waiting = *predecessor;
  if (impl->waiting) {
    log.info("dns: another process serves here; ours begins with the first full list of records");
  } else if (auto bound = impl->listen(); !bound) {
    return proxy::within("dns", bound.error());
  }
  impl->start();
  if (!impl->waiting) {
    if (const auto taken = impl->node_local.take(); !taken) {
      impl->stop();
      return proxy::within("dns: node-local addresses", taken.error());
    }
  }
  return std::unique_ptr<Server>{new Server{std::move(impl)}};
}

void Server::replace(std::span<const proxy::records::Record> all) {
  impl_->builder.replace(all);
  impl_->publish();
  if (impl_->waiting) impl_->join_predecessor();
}

void Server::change(std::span<const proxy::sources::Change> changes) {
  impl_->builder.change(changes);
  impl_->publish();
  if (impl_->waiting && impl_->zone.read().synced) impl_->join_predecessor();
}

void Server::query(std::string_view name, std::string_view type, Answer answer) {
  const auto question = parse_name(name);
  if (!question) return answer(question.error());
  const auto asked = parse_type(type);
  if (!asked) return answer(proxy::invalid("\"" + std::string{type} + "\" is no record type"));
  const auto take = [answer = std::move(answer)](Bytes reply) {
    const auto message = decode_message(reply);
    answer(message ? Result<std::string>{message->text()} : message.error());
  };
  asio::post(impl_->service_io,
             [tcp = impl_->tcp.get(), take, wire = make_query(1, *question, *asked, kMaxUdpSize)] {
               tcp->answer(wire, take);
             });
}

bool Server::ready() const {
  return !impl_->waiting && impl_->zone.read().synced;
}

std::vector<std::string> Server::listening() const {
  std::vector<std::string> texts;
  if (impl_->waiting) {
    for (const auto* list : {&impl_->options.listen, &impl_->options.node_local}) {
      for (const auto& address : *list) texts.push_back(address.text());
    }
  }
  for (const auto& address : impl_->addresses) texts.push_back(address.text());
  return texts;
}

const std::vector<SocketAddress>& Server::addresses() const {
  return impl_->addresses;
}

std::string Server::metrics() const {
  std::vector<const Counters*> udp;
  for (const auto& worker : impl_->workers) udp.push_back(&worker->counters());
  MetricsInput input{.domain = impl_->options.zone.domain.text(),
                     .servers = impl_->addresses,
                     .udp = udp,
                     .tcp = impl_->tcp->counters(),
                     .tcp_connections = impl_->tcp->connections(),
                     .zone = impl_->zone.read(),
                     .resolver = impl_->resolver.get()};
  return metrics_text(input);
}

void Server::stop() {
  impl_->stop();
}

}  // namespace dns::serve
