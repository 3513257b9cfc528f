#include "dns/serve/shared.hpp"

#include "dns/message.hpp"

#include <time.h>

namespace dns::serve {

std::int64_t steady_now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::uint32_t unix_now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return static_cast<std::uint32_t>(time.tv_sec);
}

std::uint32_t next_random(std::uint64_t& state) {  // xorshift64*: its upper bits are good
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return static_cast<std::uint32_t>(state * 0x2545f4914f6cdd1d >> 32);
}

void count_request(Counters& counters, const Exchange& exchange, const IpAddress& client,
                   Transport transport, std::size_t size) {
  const std::size_t family = client.family() == Family::v4 ? 0 : 1;
  counters.requests[static_cast<std::size_t>(transport)][family][index_of(exchange.query.type)]
      .add();
  counters.request_size.add(size);
  if (exchange.query.edns && exchange.query.edns->dnssec_ok) counters.dnssec_ok_requests.add();
}

void log_query(const Shared& shared, const Exchange& exchange, const IpAddress& client,
               Transport transport, std::size_t size) {
  if (shared.query_log == nullptr) return;
  const auto& response = exchange.response;
  std::string line = "dns: " + client.text() + (transport == Transport::udp ? " udp " : " tcp ");
  if (exchange.query.question.empty()) {
    line += "malformed";
  } else {
    line += exchange.query.name.text() + " " + type_text(exchange.query.type);
  }
  if (size == 0) {
    line += " asked upstream";
  } else {
    line += " " + std::string{rcode_label(response.rcode())} + " " +
            std::to_string(response.count(Response::Section::answer)) + " answers, " +
            std::to_string(size) + " bytes";
  }
  shared.query_log->info(line);
}

void count_reply(Counters& counters, const Exchange& exchange, Origin origin, std::size_t size) {
  const auto& response = exchange.response;
  counters.response_size.add(size);
  counters.responses[static_cast<std::size_t>(origin)][index_of(response.rcode())].add();
  if (response.truncated()) counters.truncated.add();
  if (origin == Origin::cache && response.count(Response::Section::answer) == 0) {
    counters.cached_denials.add();
  }
  if (origin == Origin::zone && exchange.short_form) counters.short_names.add();
  if (exchange.autopath_step > 0 && response.count(Response::Section::answer) > 0) {
    counters.autopath.add();
  }
}

}  // namespace dns::serve
