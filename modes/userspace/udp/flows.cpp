#include "modes/userspace/udp/flows.hpp"

#include "modes/userspace/admission.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <iterator>

namespace modes::userspace::udp {
namespace {

constexpr int kEventsPerTurn = 64;

std::uint64_t payload_of(std::span<const Datagram> datagrams) {
  std::uint64_t bytes = 0;
  for (const auto& datagram : datagrams) bytes += datagram.payload.size();
  return bytes;
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

Flows::Flows(const FlowSettings& settings, const Directory& directory, Descriptors& descriptors,
             Tallies& tallies)
    : settings_{settings},
      directory_{directory},
      descriptors_{descriptors},
      tallies_{tallies},
      now_{Clock::now()} {}

Flows::~Flows() {
  while (!flows_.empty()) end(flows_.begin());
}

Result<std::unique_ptr<Flows>> Flows::open(const FlowSettings& settings, const Directory& directory,
                                           Descriptors& descriptors, Tallies& tallies) {
  std::unique_ptr<Flows> flows{new Flows{settings, directory, descriptors, tallies}};
  flows->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!flows->epoll_) return proxy::system_error(errno, "create an epoll descriptor");
  if (!settings.sends_raw) return flows;
  for (const auto family : proxy::kFamilies) {
    if (!has_family(family)) continue;
    auto sender = open_sender(family);
    if (!sender) return within("open a sender of UDP answers", sender.error());
    flows->senders_.at(static_cast<std::size_t>(family)) = std::move(*sender);
  }
  return flows;
}

Result<void> Flows::listen(const Listener& listener) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener.fd.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener.fd.get(), &event) != 0) {
    return proxy::system_error(errno, "watch a UDP socket");
  }
  listeners_.emplace(listener.fd.get(), &listener);
  return {};
}

void Flows::ignore(const Listener& listener) {
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.fd.get(), nullptr);
  listeners_.erase(listener.fd.get());
}

bool Flows::turn() {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, 0);
  now_ = Clock::now();
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    if (const auto listener = listeners_.find(fd); listener != listeners_.end()) {
      receive_from_clients(*listener->second);
    } else if (const auto flow = by_socket_.find(fd); flow != by_socket_.end()) {
      receive_from_endpoint(*flow->second);
    }
  }
  return count == kEventsPerTurn;
}

// ── from clients to endpoints ───────────────────────────────────────────────────────────────────

void Flows::receive_from_clients(const Listener& listener) {
  int error = 0;
  auto datagrams = receiver_.receive(listener.fd.get(), error);
  while (!datagrams.empty()) {
    // A run of datagrams of one flow goes out together.
    const auto same = [&](const Datagram& other) {
      return other.from == datagrams.front().from && other.to == datagrams.front().to;
    };
    std::size_t run = 1;
    while (run < datagrams.size() && same(datagrams[run])) ++run;
    const auto& first = datagrams.front();
    Flow* flow = nullptr;
    if (first.from && first.to) {
      Key key{*first.from, *first.to, listener.entrance};
      if (!listener.steered) {
        key.vip.port = listener.port;
        key.entrance = entrance_of(*settings_.settings, key.client.address,
                                   {key.vip.address, key.vip.port, Protocol::udp});
      }
      flow = flow_for(key, listener.fd.get());
    }
    if (flow != nullptr) {
      send(*flow, datagrams.first(run));
    } else {
      counts_.unserved += run;
    }
    datagrams = datagrams.subspan(run);
  }
}

Flows::Flow* Flows::flow_for(const Key& key, int listener) {
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    if (still_served(*it->second)) {
      heard(it->second);
      return &*it->second;
    }
    end(it->second);
  }
  if (by_key_.size() >= settings_.limit || !descriptors_.take(1)) {
    if (flows_.empty()) return nullptr;
    ++counts_.evicted;
    end(flows_.begin());
    if (!descriptors_.take(1)) return nullptr;
  }
  const auto it = flows_.emplace(flows_.end());
  it->key = key;
  it->listener = listener;
  if (!begin(*it)) {
    flows_.erase(it);
    descriptors_.give(1);
    return nullptr;
  }
  by_key_.emplace(key, it);
  by_socket_.emplace(it->socket.get(), it);
  ++counts_.begun;
  return &*it;
}

// Looks again at the service when services have changed since. False: begin anew, if at all.
bool Flows::still_served(Flow& flow) {
  if (flow.epoch == epoch_) return true;
  const auto* service = directory_.find({flow.key.vip.address, flow.key.vip.port, Protocol::udp});
  if (service == nullptr || !(*service)->is_serving(flow.endpoint)) {
    ++counts_.moved;
    return false;
  }
  flow.service = *service;
  flow.epoch = epoch_;
  return true;
}

bool Flows::begin(Flow& flow) {
  const Vip vip{flow.key.vip.address, flow.key.vip.port, Protocol::udp};
  const auto* service = directory_.find(vip);
  if (service == nullptr) return false;
  if (!settings_.sends_raw && !admits(**service, vip, flow.key.client.address)) {
    tallies_.refused_datagrams(**service, 1);
    return false;
  }
  flow.service = *service;
  flow.epoch = epoch_;
  flow.heard = now_;
  flow.others = flow.service->candidates(vip, flow.key.entrance, flow.key.client.address, now_);
  auto attempt = tallies_.begin(*flow.service);
  if (next_endpoint(flow)) return true;
  attempt.refuse();
  return false;
}

bool Flows::next_endpoint(Flow& flow) {
  while (const auto* candidate = flow.others.next()) {
    const auto& from = flow.key.client.address;
    const bool hides =
        flow.key.entrance == Entrance::masked || from.is_loopback() || from == candidate->address;
    Connecting how{.source = std::nullopt, .marked = settings_.marks};
    if (settings_.transparent && !hides) how.source = from;
    const Peer to{candidate->address, candidate->port};
    if (flow.socket) {
      if (connect_again(flow.socket.get(), to) != 0) {
        tallies_.missed(*flow.service, *candidate);
        continue;
      }
    } else {
      auto socket = connect_to(to, how);
      if (!socket) {
        tallies_.missed(*flow.service, *candidate);
        continue;
      }
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = socket->get();
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket->get(), &event) != 0) continue;
      flow.socket = std::move(*socket);
    }
    flow.endpoint = *candidate;
    flow.share = tallies_.move(*flow.service, flow.endpoint);
    flow.lease = flow.service->connected(from, flow.endpoint, now_);
    return true;
  }
  return false;
}

void Flows::send(Flow& flow, std::span<Datagram> datagrams) {
  const auto bytes = payload_of(datagrams);
  counts_.bytes_in += bytes;
  flow.share.received_from_client(bytes);
  while (!datagrams.empty()) {
    int error = 0;
    const auto sent = send_connected(flow.socket.get(), datagrams, error);
    datagrams = datagrams.subspan(sent);
    if (sent > 0 || error == 0) continue;
    if (error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH) {
      // What was sent before found nobody there. This one goes to the next endpoint.
      ++counts_.moved;
      tallies_.missed(*flow.service, flow.endpoint);
      if (next_endpoint(flow)) continue;
      counts_.unserved += datagrams.size();
      return end(by_key_.at(flow.key));
    }
    if (error == EINTR) continue;
    ++counts_.unserved;  // too long for the way there, or no buffer
    datagrams = datagrams.subspan(1);
  }
}

// ── from endpoints to clients ───────────────────────────────────────────────────────────────────

void Flows::receive_from_endpoint(Flow& flow) {
  int error = 0;
  const auto datagrams = receiver_.receive(flow.socket.get(), error);
  if (!datagrams.empty()) {
    answer(flow, datagrams);
    return heard(by_key_.at(flow.key));
  }
  if (error == 0 || would_block(error)) return;
  if (!still_served(flow)) return end(by_key_.at(flow.key));
  ++counts_.moved;
  tallies_.missed(*flow.service, flow.endpoint);
  if (!next_endpoint(flow)) end(by_key_.at(flow.key));
}

void Flows::answer(Flow& flow, std::span<const Datagram> datagrams) {
  const auto bytes = payload_of(datagrams);
  counts_.bytes_out += bytes;
  flow.share.received_from_endpoint(bytes);
  const auto family = flow.key.client.address.family();
  if (settings_.sends_raw) {
    send_from(senders_.at(static_cast<std::size_t>(family)).get(), flow.key.vip, flow.key.client,
              datagrams);
  } else {
    send_by_listener(flow.listener, flow.key.vip.address, flow.key.client, datagrams);
  }
}

// ── time ────────────────────────────────────────────────────────────────────────────────────────

void Flows::heard(FlowList::iterator flow) {
  flow->heard = now_;
  if (std::next(flow) != flows_.end()) flows_.splice(flows_.end(), flows_, flow);
}

void Flows::end(FlowList::iterator flow) {
  by_socket_.erase(flow->socket.get());
  by_key_.erase(flow->key);
  flows_.erase(flow);
  descriptors_.give(1);
}

std::optional<Clock::time_point> Flows::next_deadline() const {
  if (flows_.empty()) return std::nullopt;
  return flows_.front().heard + settings_.idle;
}

void Flows::expire(Clock::time_point now) {
  while (!flows_.empty() && flows_.front().heard + settings_.idle <= now) end(flows_.begin());
}

}  // namespace modes::userspace::udp
