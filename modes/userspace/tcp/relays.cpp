#include "modes/userspace/tcp/relays.hpp"

#include "modes/userspace/tcp/proxy_protocol.hpp"

#include <algorithm>
#include <cerrno>

namespace modes::userspace::tcp {
namespace {

constexpr std::size_t kBufferSize = 64 * 1024;
constexpr std::size_t kPipeSize = 1024 * 1024;
constexpr std::size_t kPipes = 32;  // of a worker

// How often it is looked whether the rest has been delivered before a reset, and for how long.
constexpr auto kDrainStep = std::chrono::milliseconds{20};
constexpr auto kDrainLimit = std::chrono::seconds{3};

constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;

}  // namespace

Relays::Relays(const RelaySettings& settings, EventLoop& loop, Tallies& tallies)
    : settings_{settings},
      loop_{loop},
      tallies_{tallies},
      shop_{.pipes = PipePool{kPipes, kPipeSize},
            .buffer = std::vector<std::byte>(kBufferSize),
            .splices = settings.splices} {}

Relays::~Relays() {
  abort_all();
}

Relays::Slot Relays::allocate() {
  if (free_.empty()) {
    const auto first = static_cast<Slot>(blocks_.size() * kBlock);
    blocks_.push_back(std::make_unique<std::array<Relay, kBlock>>());
    for (Slot i = kBlock; i > 0; --i) free_.push_back(first + i - 1);
  }
  const auto slot = free_.back();
  free_.pop_back();
  ++size_;
  return slot;
}

// A client's socket can be written to when it comes: to be told so would cost each connection an
// event. The endpoint's says by it that it is connected.
bool Relays::watch(Slot slot, Side side) {
  auto& relay = at(slot);
  auto& end = relay.ends[side];
  end.tells_writable = side == endpoint;
  return loop_.watch(end.fd, end.tells_writable ? kReading | EPOLLOUT : kReading,
                     {Watcher::relay, relay.generation, slot << 1U | side});
}

void Relays::watch_client_for_writing(Slot slot) {
  auto& relay = at(slot);
  auto& end = relay.ends[client];
  if (end.writable || std::exchange(end.tells_writable, true)) return;
  loop_.change(end.fd, kReading | EPOLLOUT,
               {Watcher::relay, relay.generation, slot << 1U | client});
}

// ── connecting ──────────────────────────────────────────────────────────────────────────────────

void Relays::begin(Arrival arrival) {
  ++counts_.begun;
  const auto slot = allocate();
  auto& relay = at(slot);
  relay.phase = Phase::connecting;
  relay.ends[client] = End{.fd = arrival.socket.release()};
  auto candidates = arrival.service->candidates(arrival.vip, arrival.entrance,
                                                arrival.client.address, Clock::now());
  auto attempt = tallies_.begin(*arrival.service);
  relay.setup = std::make_unique<Setup>(
      Setup{std::move(arrival), std::move(candidates), std::move(attempt), {}});
  try_next(slot);
}

Connecting Relays::how_to_connect(const Setup& setup) const {
  Connecting how{.source = std::nullopt, .marked = settings_.marks};
  const auto& from = setup.arrival.client.address;
  // A pod that is its own endpoint would take an answer from itself for a stray packet.
  const bool hides = setup.arrival.entrance == Entrance::masked || from.is_loopback() ||
                     from == setup.trying.address;
  if (settings_.transparent && !hides) how.source = from;
  return how;
}

void Relays::try_next(Slot slot) {
  auto& relay = at(slot);
  auto& setup = *relay.setup;
  while (const auto* candidate = setup.candidates.next()) {
    setup.trying = *candidate;
    auto socket = connect_to({candidate->address, candidate->port}, how_to_connect(setup));
    if (!socket) {
      missed(setup);
      continue;
    }
    relay.ends[endpoint] = End{.fd = socket->release()};
    if (!watch(slot, endpoint)) {
      close(relay, endpoint);
      continue;
    }
    const bool last = setup.candidates.left() == 0;
    const auto patience = last ? settings_.last_patience : settings_.patience;
    (last ? long_waits_ : short_waits_)
        .push_back({Clock::now() + patience, slot, relay.generation});
    return;
  }
  give_up(slot);
}

// The endpoint that was tried does not accept.
void Relays::missed(Setup& setup) {
  setup.retried = true;
  setup.attempt.missed(setup.trying);
}

void Relays::give_up(Slot slot) {
  ++counts_.unreached;
  at(slot).setup->attempt.refuse();
  close_with_reset(at(slot), client);
  finish(slot);
}

void Relays::connected(Slot slot) {
  auto& relay = at(slot);
  const auto setup = std::move(relay.setup);
  const auto& arrival = setup->arrival;
  if (setup->retried) ++counts_.retried;
  relay.phase = Phase::relaying;
  relay.share = setup->attempt.connected(setup->trying);
  relay.lease = arrival.service->connected(arrival.client.address, setup->trying, Clock::now());
  relay.ends[endpoint].writable = true;
  relay.ends[client].writable = true;
  relay.ends[client].readable = true;  // most clients speak first, and have by now
  if (arrival.service->announces_client()) {
    relay.streams[client].prepend(
        proxy_protocol_header(arrival.client, {arrival.vip.address, arrival.vip.port}).bytes());
  }
  if (!watch(slot, client)) return fail(slot, client, Found::by_reading);
  move(slot);
}

// ── relaying ────────────────────────────────────────────────────────────────────────────────────

bool Relays::resume() {
  for (auto ready = std::exchange(ready_, {}); const auto slot : ready) {
    at(slot).queued = false;
    if (at(slot).phase == Phase::relaying) move(slot);
  }
  return !ready_.empty();
}

void Relays::handle(Token token, std::uint32_t events) {
  const auto slot = token.number >> 1U;
  const auto side = static_cast<Side>(token.number & 1U);
  if (at(slot).generation % Token::kAges != token.age) return;
  auto& relay = at(slot);
  auto& end = relay.ends[side];
  if (relay.phase == Phase::connecting) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
      missed(*relay.setup);
      close(relay, endpoint);
      ++relay.generation;  // no more events or deadlines of this attempt
      return try_next(slot);
    }
    if ((events & EPOLLOUT) == 0) return;
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) end.readable = true;
    end.hung_up = (events & EPOLLRDHUP) != 0;
    return connected(slot);
  }
  if ((events & EPOLLOUT) != 0) end.writable = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end.readable = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end.hung_up = true;
  if (relay.phase == Phase::relaying) return move(slot);
  if (relay.phase == Phase::draining) (void)drain(slot);
}

// One turn of the stream from there, counted.
Stream::State Relays::pump(Relay& relay, Side from) {
  const auto before = shop_.received;
  const auto to = from == client ? endpoint : client;
  const auto state = relay.streams[from].pump(relay.ends[from], relay.ends[to], shop_);
  const auto bytes = shop_.received - before;
  if (from == client) {
    counts_.bytes_in += bytes;
    relay.share.received_from_client(bytes);
  } else {
    counts_.bytes_out += bytes;
    relay.share.received_from_endpoint(bytes);
  }
  return state;
}

void Relays::move(Slot slot) {
  auto& relay = at(slot);
  bool more = false;
  for (const auto from : {client, endpoint}) {
    const auto to = from == client ? endpoint : client;
    // The last end of stream is passed on by closing.
    if (relay.streams[to].has_ended()) relay.streams[from].leave_open_end();
    switch (pump(relay, from)) {
      case Stream::State::ready:
        more = true;
        break;
      case Stream::State::from_failed:
        return fail(slot, from, Found::by_reading);
      case Stream::State::to_failed:
        return fail(slot, to, Found::by_writing);
      case Stream::State::waiting:
      case Stream::State::ended:
        break;
    }
  }
  if (relay.streams[client].has_ended() && relay.streams[endpoint].has_ended()) {
    close(relay, client);
    close(relay, endpoint);
    return finish(slot);
  }
  watch_client_for_writing(slot);
  if (more && !relay.queued) {
    relay.queued = true;
    ready_.push_back(slot);
  }
}

// One side was reset. What it had sent before still goes to the other, which is reset when it has
// it: a reset overtakes what waits in the send buffer.
void Relays::fail(Slot slot, Side dead, Found how) {
  auto& relay = at(slot);
  ++counts_.reset;
  relay.phase = Phase::draining;
  relay.dead = dead;
  relay.streams[dead].leave_open_end();
  if (how == Found::by_reading) relay.streams[dead].end_source();  // errors come after all bytes
  relay.ends[dead].readable = true;
  if (drain(slot)) return;
  watch_client_for_writing(slot);
  const auto now = Clock::now();
  if (drains_.empty()) drains_due_ = now + kDrainStep;
  drains_.push_back({now + kDrainLimit, slot, relay.generation});
}

bool Relays::drain(Slot slot) {
  auto& relay = at(slot);
  const auto other = relay.dead == client ? endpoint : client;
  auto& stream = relay.streams[relay.dead];
  auto state = Stream::State::ready;
  while (state == Stream::State::ready) state = pump(relay, relay.dead);
  const bool undelivered = stream.holds_bytes() && state == Stream::State::waiting;
  if (undelivered ||
      (state != Stream::State::to_failed && unacknowledged(relay.ends[other].fd) > 0)) {
    return false;  // expire() looks again
  }
  close_with_reset(relay, other);
  close(relay, relay.dead);
  finish(slot);
  return true;
}

void Relays::close(Relay& relay, Side side) {
  UniqueFd{std::exchange(relay.ends[side].fd, -1)}.reset();
}

void Relays::close_with_reset(Relay& relay, Side side) {
  reset(UniqueFd{std::exchange(relay.ends[side].fd, -1)});
}

void Relays::finish(Slot slot) {
  auto& relay = at(slot);
  for (auto& stream : relay.streams) stream.release(shop_);
  relay.streams = {};
  relay.ends = {};
  relay.setup.reset();
  relay.lease = {};
  relay.share = {};
  relay.phase = Phase::free;
  ++relay.generation;
  --size_;
  free_.push_back(slot);
}

void Relays::abort_all() {
  for (Slot slot = 0; slot < blocks_.size() * kBlock; ++slot) {
    auto& relay = at(slot);
    if (relay.phase == Phase::free) continue;
    for (const auto side : {client, endpoint}) {
      if (relay.ends[side].fd >= 0) close_with_reset(relay, side);
    }
    finish(slot);
  }
}

// ── time ────────────────────────────────────────────────────────────────────────────────────────

std::optional<Clock::time_point> Relays::next_deadline() const {
  std::optional<Clock::time_point> next;
  const auto earlier = [&](Clock::time_point at) { next = next ? std::min(*next, at) : at; };
  if (!short_waits_.empty()) earlier(short_waits_.front().at);
  if (!long_waits_.empty()) earlier(long_waits_.front().at);
  if (!drains_.empty()) earlier(drains_due_);
  return next;
}

void Relays::expire(Clock::time_point now) {
  for (auto* waits : {&short_waits_, &long_waits_}) {
    while (!waits->empty()) {
      const auto deadline = waits->front();
      const bool over = at(deadline.slot).generation != deadline.generation;
      if (!over && deadline.at > now) break;
      waits->pop_front();
      if (!over) out_of_patience(deadline.slot);
    }
  }
  if (drains_.empty() || drains_due_ > now) return;
  drains_due_ = now + kDrainStep;
  std::erase_if(drains_, [&](const Deadline& deadline) {
    auto& relay = at(deadline.slot);
    if (relay.generation != deadline.generation || drain(deadline.slot)) return true;
    if (deadline.at > now) return false;
    for (const auto side : {client, endpoint}) close_with_reset(relay, side);
    finish(deadline.slot);
    return true;
  });
}

void Relays::out_of_patience(Slot slot) {
  auto& relay = at(slot);
  if (relay.phase == Phase::connecting) {
    missed(*relay.setup);
    close(relay, endpoint);
    ++relay.generation;  // no more events of this attempt
    return try_next(slot);
  }
  // A connection that has lived for so long may live on. Others are spared the calls.
  keep_alive(relay.ends[endpoint].fd);
}

}  // namespace modes::userspace::tcp
