#include "modes/userspace/workers.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <future>

namespace modes::userspace {
namespace {

namespace asio = boost::asio;

// How often it is looked whether the last connection has ended.
constexpr auto kDrainStep = std::chrono::milliseconds{100};
// Of how many services workers are asked in one message: some ten microseconds of their time.
constexpr std::size_t kAskedAtOnce = 64;

TrafficCounts counts_of(const Tally& tally) {
  return {.connections = tally.connections,
          .open = tally.open,
          .refused = tally.refused,
          .bytes_in = tally.bytes_in,
          .bytes_out = tally.bytes_out};
}

void add(const ServiceTally& more, ServiceTally& to) {
  to.total += more.total;
  for (const auto& [endpoint, tally] : more.endpoints) {
    const auto it =
        std::ranges::lower_bound(to.endpoints, endpoint, {}, &std::pair<Endpoint, Tally>::first);
    if (it != to.endpoints.end() && it->first == endpoint) {
      it->second += tally;
    } else {
      to.endpoints.emplace(it, endpoint, tally);
    }
  }
}

}  // namespace

// ── services ────────────────────────────────────────────────────────────────────────────────────

void Services::change(const ServiceTable& wanted, const ServicePortName& name,
                      std::vector<DirectoryChange>& out) {
  const auto* port = name.protocol == Protocol::sctp ? nullptr : wanted.find(name);
  const auto it = known_.find(name);
  if (port == nullptr) {
    if (it == known_.end()) return;
    out.push_back({it->second.service, nullptr});
    known_.erase(it);
    return;
  }
  if (it != known_.end() && it->second.port == *port) return;
  const auto before = it == known_.end() ? nullptr : it->second.service;
  auto after = std::make_shared<const Service>(name, *port, settings_->balance, before.get());
  const auto since = it == known_.end() ? std::chrono::system_clock::now() : it->second.since;
  known_.insert_or_assign(name, Known{*port, after, since});
  out.push_back({before, std::move(after)});
}

Worker::Changes Services::changes_to_all(const ServiceTable& wanted) {
  std::vector<DirectoryChange> out;
  std::vector<ServicePortName> names;
  for (const auto& [name, known] : known_) names.push_back(name);
  wanted.for_each([&](const ServicePortName& name, const ServicePort&) { names.push_back(name); });
  for (const auto& name : names) change(wanted, name, out);
  return std::make_shared<const std::vector<DirectoryChange>>(std::move(out));
}

Worker::Changes Services::changes_to(const ServiceTable& wanted,
                                     std::span<const ServicePortName> names) {
  std::vector<DirectoryChange> out;
  for (const auto& name : names) change(wanted, name, out);
  return std::make_shared<const std::vector<DirectoryChange>>(std::move(out));
}

// ── workers ─────────────────────────────────────────────────────────────────────────────────────

Result<std::unique_ptr<Workers>> Workers::start(asio::any_io_executor executor,
                                                std::shared_ptr<const Settings> settings,
                                                std::function<void(std::string)> warn) {
  const auto count = settings->workers;
  std::unique_ptr<Workers> self{
      new Workers{executor, settings, descriptors_for_connections(count)}};
  ListenersOfWorkers listeners(count);
  if (settings->listen == Listen::steered) {
    auto opened = open_steered_listeners(count, self->ports_);
    if (!opened) return opened.error();
    listeners = std::move(*opened);
  }
  for (auto& of_worker : listeners) {
    auto worker = Worker::start({*self->settings_, self->descriptors_,
                                 [executor, warn](std::string text) {
                                   asio::post(executor, [warn, text = std::move(text)]() mutable {
                                     warn(std::move(text));
                                   });
                                 }},
                                std::move(of_worker));
    if (!worker) return worker.error();
    self->workers_.push_back(std::move(*worker));
  }
  return self;
}

Awaitable<void> Workers::all(std::function<void(Worker&, Worker::Done)> tell) {
  // The last worker that is done wakes us by the timer, on our own executor.
  auto wake = std::make_shared<asio::steady_timer>(executor_, Clock::time_point::max());
  auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
  for (const auto& worker : workers_) {
    tell(*worker, [wake, left] {
      if (left->fetch_sub(1) != 1) return;
      asio::post(wake->get_executor(), [wake] { wake->cancel(); });
    });
  }
  co_await wake->async_wait(asio::as_tuple(asio::use_awaitable));
}

Awaitable<void> Workers::put(Worker::Changes changes) {
  if (changes->empty()) co_return;
  co_await all([&](Worker& worker, Worker::Done done) { worker.put(changes, std::move(done)); });
}

Awaitable<void> Workers::drop(Worker::Changes changes) {
  if (changes->empty()) co_return;
  co_await all([&](Worker& worker, Worker::Done done) { worker.drop(changes, std::move(done)); });
}

Awaitable<void> Workers::add_listeners(ListenersOfWorkers listeners) {
  auto next = listeners.begin();
  co_await all([&](Worker& worker, Worker::Done done) {
    worker.add_listeners(std::move(*next++), std::move(done));
  });
}

Awaitable<void> Workers::remove_listeners(std::vector<Vip> at) {
  co_await all(
      [&](Worker& worker, Worker::Done done) { worker.remove_listeners(at, std::move(done)); });
}

Awaitable<void> Workers::drain(std::chrono::seconds limit) {
  co_await all([](Worker& worker, Worker::Done done) { worker.stop_accepting(std::move(done)); });
  const auto deadline = Clock::now() + limit;
  asio::steady_timer timer{executor_};
  while (Clock::now() < deadline) {
    std::size_t connections = 0;
    for (const auto& figures : ask()) connections += figures.connections;
    if (connections == 0) co_return;
    timer.expires_after(kDrainStep);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

Awaitable<std::vector<ServiceTally>> Workers::tallies(Worker::ServicesAsked services) {
  using Answers = std::vector<std::vector<ServiceTally>>;  // of a worker each
  const auto answers = std::make_shared<Answers>(workers_.size());
  std::size_t next = 0;
  co_await all([&](Worker& worker, Worker::Done done) {
    worker.ask_traffic(services, [answers, mine = next++, done = std::move(done)](auto tallies) {
      (*answers)[mine] = std::move(tallies);
      done();
    });
  });
  std::vector<ServiceTally> sums(services->size());
  for (const auto& of_worker : *answers) {
    for (std::size_t i = 0; i < sums.size(); ++i) add(of_worker[i], sums[i]);
  }
  co_return sums;
}

Awaitable<std::vector<Traffic>> Workers::traffic(const Services& services,
                                                 std::span<const ServicePortName> names) {
  std::vector<Traffic> out(names.size());
  for (std::size_t begin = 0; begin < names.size(); begin += kAskedAtOnce) {
    auto asked = std::make_shared<std::vector<ServicePtr>>();
    std::vector<std::size_t> places;
    for (auto i = begin; i < std::min(names.size(), begin + kAskedAtOnce); ++i) {
      const auto* known = services.find(names[i]);
      if (known == nullptr) continue;
      asked->push_back(known->service);
      places.push_back(i);
      out[i].since = known->since;
    }
    const auto sums = co_await tallies(std::move(asked));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      auto& traffic = out[places[i]];
      traffic.total = counts_of(sums[i].total);
      for (const auto& [endpoint, tally] : sums[i].endpoints) {
        traffic.endpoints.emplace(endpoint, counts_of(tally));
      }
    }
  }
  co_return out;
}

std::vector<int> Workers::sockets() const {
  std::vector<int> out;
  for (const auto& worker : workers_) {
    std::promise<Worker::Sockets> answer;
    worker->tell_sockets([&](Worker::Sockets sockets) { answer.set_value(std::move(sockets)); });
    const auto sockets = answer.get_future().get();
    if (out.empty()) out = sockets.tcp;
    out.insert(out.end(), sockets.udp.begin(), sockets.udp.end());
  }
  return out;
}

std::vector<WorkerFigures> Workers::ask() const {
  std::vector<WorkerFigures> out;
  for (const auto& worker : workers_) {
    auto promise = std::make_shared<std::promise<WorkerFigures>>();
    auto answer = promise->get_future();
    worker->ask([promise](const WorkerFigures& figures) { promise->set_value(figures); });
    out.push_back(answer.get());
  }
  return out;
}

std::vector<Mode::Figure> Workers::figures() const {
  WorkerFigures sum;
  for (const auto& one : ask()) {
    sum.connections += one.connections;
    sum.flows += one.flows;
    sum.pauses += one.pauses;
    sum.tcp.begun += one.tcp.begun;
    sum.tcp.retried += one.tcp.retried;
    sum.tcp.unreached += one.tcp.unreached;
    sum.tcp.reset += one.tcp.reset;
    sum.tcp.bytes_in += one.tcp.bytes_in;
    sum.tcp.bytes_out += one.tcp.bytes_out;
    sum.udp.begun += one.udp.begun;
    sum.udp.evicted += one.udp.evicted;
    sum.udp.moved += one.udp.moved;
    sum.udp.unserved += one.udp.unserved;
    sum.udp.bytes_in += one.udp.bytes_in;
    sum.udp.bytes_out += one.udp.bytes_out;
  }
  std::vector<Mode::Figure> out;
  const auto figure = [&](const char* name, auto value) {
    out.push_back({name, {}, static_cast<double>(value)});
  };
  figure("viaduct_userspace_connections", sum.connections);
  figure("viaduct_userspace_connections_total", sum.tcp.begun);
  figure("viaduct_userspace_connections_retried_total", sum.tcp.retried);
  figure("viaduct_userspace_connections_unreached_total", sum.tcp.unreached);
  figure("viaduct_userspace_connections_reset_total", sum.tcp.reset);
  figure("viaduct_userspace_accept_pauses_total", sum.pauses);
  figure("viaduct_userspace_descriptors_left", descriptors_.left());
  figure("viaduct_userspace_udp_flows", sum.flows);
  figure("viaduct_userspace_udp_flows_total", sum.udp.begun);
  figure("viaduct_userspace_udp_flows_evicted_total", sum.udp.evicted);
  figure("viaduct_userspace_udp_flows_moved_total", sum.udp.moved);
  figure("viaduct_userspace_udp_datagrams_unserved_total", sum.udp.unserved);
  const auto bytes = [&](const char* name, Protocol protocol, std::uint64_t value) {
    out.push_back(
        {name, {{"protocol", std::string{upper_name(protocol)}}}, static_cast<double>(value)});
  };
  bytes("viaduct_userspace_incoming_bytes_total", Protocol::tcp, sum.tcp.bytes_in);
  bytes("viaduct_userspace_incoming_bytes_total", Protocol::udp, sum.udp.bytes_in);
  bytes("viaduct_userspace_outgoing_bytes_total", Protocol::tcp, sum.tcp.bytes_out);
  bytes("viaduct_userspace_outgoing_bytes_total", Protocol::udp, sum.udp.bytes_out);
  return out;
}

}  // namespace modes::userspace
