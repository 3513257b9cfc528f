#include "dns/serve/udp_worker.hpp"

#include "dns/cookie.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

namespace dns::serve {

UdpWorker::UdpWorker(const Shared& shared, Epochs::Reader& reader,
                     std::vector<proxy::UniqueFd> sockets, std::uint64_t seed)
    : shared_{shared},
      reader_{reader},
      sockets_{std::move(sockets)},
      random_{seed | 1},
      limit_{shared.rate_limit, seed} {}

UdpWorker::~UdpWorker() {
  stop();
}

void UdpWorker::start() {
  // Signals are the control thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{[this] { run(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void UdpWorker::leave() {
  for (const auto& fd : sockets_) leave_group(fd.get());
}

void UdpWorker::stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  // Wakes a thread that waits in recvmmsg() or poll(): for an unconnected UDP socket it reports
  // ENOTCONN and does it nevertheless.
  for (const auto& fd : sockets_) (void)shutdown(fd.get(), SHUT_RD);
  thread_.join();
}

void UdpWorker::run() {
  if (sockets_.size() == 1) {  // the wait is the receive: a system call less for each batch
    while (!stop_) serve(sockets_.front().get(), true);
  } else {
    std::vector<pollfd> waiting;
    for (const auto& fd : sockets_) waiting.push_back({fd.get(), POLLIN, 0});
    while (!stop_) {
      if (poll(waiting.data(), waiting.size(), -1) <= 0) continue;
      for (const auto& entry : waiting) {
        if (entry.revents != 0) serve(entry.fd, false);
      }
    }
  }
  for (const auto& fd : sockets_) serve(fd.get(), false);  // what came before the end
}

void UdpWorker::serve(int fd, bool wait) {
  const std::size_t count = batch_.receive(fd, wait);
  if (count == 0) return;
  now_ = steady_now();
  unix_now_ = unix_now();
  {
    const Epochs::Inside inside{reader_};
    const auto& zone = shared_.zone.read();
    if (count > 1) prefetch(zone, count);
    for (std::size_t i = 0; i < count; ++i) answer(fd, zone, i);
  }
  counters_.send_failures.add(batch_.send(fd));
  const auto took = static_cast<std::uint64_t>(steady_now() - now_);
  for (std::size_t i = 0; i < count; ++i) counters_.duration.add(took);
}

void UdpWorker::prefetch(const Zone& zone, std::size_t count) const {
  std::array<std::uint64_t, UdpBatch::kSize> hashes;
  std::size_t known = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto hash = zone.service_hash_of(batch_.query(i))) hashes[known++] = *hash;
  }
  zone.prefetch(std::span{hashes}.first(known));
}

void UdpWorker::answer(int fd, const Zone& zone, std::size_t i) {
  const auto query = batch_.query(i);
  const auto room = batch_.reply_room(i);
  const Asking asking{.client = address_of(batch_.client(i)),
                      .stream = false,
                      .now = unix_now_,
                      .rotation = next_random(random_)};
  exchange_.autopath_step = 0;
  auto origin = Origin::zone;
  auto outcome = shared_.responder.respond(zone, query, asking, exchange_, room);
  if (outcome.next == Next::drop) {
    counters_.dropped.add();
    return;
  }
  count_request(counters_, exchange_, asking.client, Transport::udp, query.size());
  while (outcome.next == Next::ask_upstream) {
    const auto hit = shared_.outside->look_up(exchange_, now_);
    if (hit == Outside::Hit::next_step) {
      outcome = shared_.responder.respond(zone, query, asking, exchange_, room);
      continue;
    }
    origin = Origin::cache;
    if (hit == Outside::Hit::none) {
      const UdpQuestion question{.fd = fd, .path = batch_.reply_path(i), .query = query};
      if (shared_.outside->ask(exchange_, asking, question)) {
        log_query(shared_, exchange_, asking.client, Transport::udp, 0);
        return;
      }
      origin = Origin::refused;
      exchange_.response.clear_records();
      exchange_.response.set_rcode(Rcode::server_failure);
    }
    outcome = {Next::send, exchange_.response.finish()};
  }
  if (is_over_limit(asking.client, outcome.size)) return;
  count_reply(counters_, exchange_, origin, outcome.size);
  log_query(shared_, exchange_, asking.client, Transport::udp, outcome.size);
  batch_.reply(i, outcome.size);
}

// True if the reply is to be withheld; it may also be cut down to an empty one with TC. A client
// that shows a cookie of ours is who it says, and has no limit.
bool UdpWorker::is_over_limit(const IpAddress& client, std::size_t& size) {
  const auto& key = shared_.responder.options().cookie_key;
  const auto& edns = exchange_.query.edns;
  if (key && edns && is_valid_cookie(*key, edns->cookie, client, unix_now_)) return false;
  const auto verdict = limit_.check(client, now_);
  if (verdict == RateLimit::Verdict::send) return false;
  counters_.rate_limited.add();
  if (verdict == RateLimit::Verdict::drop) return true;
  exchange_.response.clear_records();
  exchange_.response.set_flags(flag::kTruncated);
  size = exchange_.response.finish();
  return false;
}

}  // namespace dns::serve
