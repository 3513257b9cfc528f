#include "dns/forward/pick.hpp"

#include "dns/serve/shared.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <optional>

namespace dns::forward {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kExploreEvery = 16;
constexpr std::size_t kMinAttempts = 3;  // datagrams get lost

// What the attempts of one question share. The last of them may end after the question.
struct Race {
  explicit Race(const asio::any_io_executor& executor) : news{executor} {}

  asio::steady_timer news;  // cancelled when an attempt has ended
  bool has_news = false;
  std::optional<StoredAnswer> good;
  std::optional<StoredAnswer> poor;  // SERVFAIL, REFUSED and the like
  std::optional<proxy::Error> error;
  std::size_t running = 0;
  std::size_t poor_count = 0;
};

asio::awaitable<void> attempt(std::shared_ptr<Race> race, std::shared_ptr<Upstream> upstream,
                              LowerName name, Type type, bool dnssec_ok, bool checking_disabled,
                              Clock::time_point deadline) {
  auto answer = co_await upstream->ask(name, type, dnssec_ok, checking_disabled, deadline);
  if (!answer) {
    race->error = answer.error();
  } else if (is_good(answer->rcode)) {
    if (!race->good) race->good = std::move(*answer);
  } else {
    ++race->poor_count;
    race->poor = std::move(*answer);
  }
}

// How long an upstream may take before another is asked as well.
std::chrono::nanoseconds patience(const Upstream& upstream, std::size_t attempts, bool alone) {
  const auto least = alone ? std::chrono::nanoseconds{800ms} : std::chrono::nanoseconds{200ms};
  const auto usual = std::clamp<std::chrono::nanoseconds>(upstream.round_trip() * 4, least, 1500ms);
  return attempts <= 1 ? usual : std::min<std::chrono::nanoseconds>(usual * 2, 1500ms);
}

}  // namespace

std::vector<std::shared_ptr<Upstream>> asking_order(
    const std::vector<std::shared_ptr<Upstream>>& upstreams, std::uint32_t random) {
  std::vector<std::shared_ptr<Upstream>> order;
  std::copy_if(upstreams.begin(), upstreams.end(), std::back_inserter(order),
               [](const auto& upstream) { return !upstream->is_excluded(); });
  const auto healthy_end = std::stable_partition(
      order.begin(), order.end(), [](const auto& upstream) { return upstream->is_healthy(); });
  std::stable_sort(order.begin(), healthy_end,
                   [](const auto& a, const auto& b) { return a->round_trip() < b->round_trip(); });
  const auto healthy = static_cast<std::uint32_t>(healthy_end - order.begin());
  if (healthy > 1 && random % kExploreEvery == 0) {
    const auto other = 1 + random / kExploreEvery % (healthy - 1);
    std::rotate(order.begin(), order.begin() + other, order.begin() + other + 1);
  }
  return order;
}

asio::awaitable<Result<StoredAnswer>> pick(asio::any_io_executor executor,
                                           std::vector<std::shared_ptr<Upstream>> upstreams,
                                           Question question, Clock::time_point deadline,
                                           std::uint64_t& random) {
  const auto order = asking_order(upstreams, serve::next_random(random));
  if (order.empty()) co_return proxy::system_error(EHOSTUNREACH, "no upstream to ask");
  const auto race = std::make_shared<Race>(executor);
  const std::size_t attempts = std::max(kMinAttempts, 2 * order.size());
  std::size_t begun = 0;
  while (true) {
    const auto now = Clock::now();
    if (race->good) co_return std::move(*race->good);
    if (race->poor_count >= order.size() || now >= deadline) break;
    if (begun == attempts && race->running == 0) break;
    auto next = deadline;
    if (begun < attempts) {
      const auto& upstream = order[begun % order.size()];
      ++begun;
      ++race->running;
      asio::co_spawn(executor,
                     attempt(race, upstream, question.name, question.type, question.dnssec_ok,
                             question.checking_disabled, deadline),
                     [race](const std::exception_ptr&) {
                       --race->running;
                       race->has_news = true;
                       race->news.cancel();
                     });
      next = std::min(deadline, now + patience(*upstream, begun, order.size() == 1));
    }
    // Until an attempt ends with something, or it is time to ask somebody else as well.
    while (!race->good && Clock::now() < next) {
      if (std::exchange(race->has_news, false)) {
        // Somebody else is asked at once. The same one again only after a while: a failure may
        // come in no time (connection refused).
        const bool nothing_left = begun == attempts && race->running == 0;
        if (begun < order.size() || race->poor_count >= order.size() || nothing_left) break;
        continue;
      }
      race->news.expires_at(next);
      (void)co_await race->news.async_wait(kResult);
    }
  }
  if (race->poor) co_return std::move(*race->poor);
  if (race->error) co_return *race->error;
  co_return proxy::system_error(ETIMEDOUT, "ask upstreams");
}

}  // namespace dns::forward
