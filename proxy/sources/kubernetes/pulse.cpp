#include "proxy/sources/kubernetes/pulse.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace proxy::sources::kubernetes {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kLongestAnswer = 4096;

Timing less_patient(Timing timing) {
  timing.connect = timing.reply = timing.within_object = timing.pulse_patience;
  return timing;
}

}  // namespace

Pulse::Pulse(const ClientParts& client, std::function<void()> dead)
    : timing_{less_patient(client.timing)},
      parts_{.executor = client.executor,
             .credentials = client.credentials,
             .servers = client.servers,
             .proxy = client.proxy,
             .user_agent = client.user_agent,
             .timing = timing_,
             .sign_of_life = [this] { felt(); }},
      dead_{std::move(dead)},
      client_{parts_},
      timer_{client.executor} {}

void Pulse::stop() {
  stopped_ = true;
  timer_.cancel();
  client_.abort();
}

asio::awaitable<void> Pulse::run(std::shared_ptr<Pulse> self) {
  while (!self->stopped_) {
    const auto due = self->last_ + self->timing_.pulse_after;
    if (std::chrono::steady_clock::now() < due) {
      self->timer_.expires_at(due);
      co_await self->timer_.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    const auto before = self->last_;
    // Without credentials there is nobody to ask as; that is not the server's fault.
    const auto presented = co_await self->parts_.credentials.current();
    if (presented && !self->stopped_) {
      const auto head = co_await self->client_.get("/livez");
      if (head) {
        (void)co_await self->client_.rest_of_body(kLongestAnswer, self->timing_.within_object);
      } else if (!self->stopped_ && self->last_ == before) {
        self->dead_();
      }
    }
    self->felt();  // the next look is a while away
  }
  self->client_.drop();
}

}  // namespace proxy::sources::kubernetes
