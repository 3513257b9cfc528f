#include "dns/forward/resolver.hpp"

#include "dns/forward/pick.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

namespace dns::forward {

using Clock = std::chrono::steady_clock;
using serve::steady_now;

namespace {

constexpr std::uint32_t kStaleTtl = 30;  // seconds, RFC 8767 §4
constexpr std::uint32_t kPopular = 2;    // hits that make an entry worth refreshing in time
constexpr int kMaxRounds = 16;           // of one client's question, search lists included

// A client that waits: with a datagram's way back, or a callback.
struct Client {
  std::vector<std::uint8_t> query;
  Asking asking;
  std::size_t step = 0;  // Exchange::autopath_step to begin with
  int fd = -1;
  serve::ReplyPath path;
  std::function<void(Bytes)> done;
};

// A question on its way, and all who wait for the answer.
struct Pending {
  LowerName name;
  Type type{};
  bool dnssec_ok = false;
  bool checking_disabled = false;
  std::vector<Client> clients;
  bool gave_stale = false;  // clients that come now get the stale answer at once

  [[nodiscard]] Question question() const { return {name, type, dnssec_ok, checking_disabled}; }
};

std::string key_of(const Question& question) {
  std::string key{text_of(question.name.wire())};
  key.push_back(static_cast<char>(static_cast<std::uint16_t>(question.type) >> 8));
  key.push_back(static_cast<char>(question.type));
  key.push_back(
      static_cast<char>((question.dnssec_ok ? 2 : 0) | (question.checking_disabled ? 1 : 0)));
  return key;
}

Question question_of(const Exchange& exchange) {
  return {exchange.ask, exchange.query.type, exchange.query.edns && exchange.query.edns->dnssec_ok,
          (exchange.query.flags & flag::kCheckingDisabled) != 0};
}

}  // namespace

struct Resolver::Impl : std::enable_shared_from_this<Resolver::Impl> {
  Impl(asio::any_io_executor executor, Options given, const serve::Shared& all_share,
       Epochs& epochs, Epochs::Reader& epoch_reader, std::uint64_t seed, proxy::Log& to)
      : io{std::move(executor)},
        options{std::move(given)},
        shared{all_share},
        reader{epoch_reader},
        log{to},
        random{seed | 1},
        cache{epochs, {options.cache_entries, options.cache_bytes}, seed} {
    add_group(LowerName{}, options.upstreams);
    for (const auto& stub : options.stub_domains) add_group(stub.domain, stub.upstreams);
    std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      return a.domain.label_count() > b.domain.label_count();
    });
  }

  struct Group {
    LowerName domain;
    std::vector<std::shared_ptr<Upstream>> upstreams;
  };
  void add_group(const LowerName& domain, const std::vector<UpstreamAddress>& addresses);
  [[nodiscard]] const Group& group_for(const LowerName& name) const;

  Hit look_up(Exchange& exchange, Time now);
  [[nodiscard]] Hit apply(const StoredAnswer& answer, std::uint32_t age, std::uint32_t least_ttl,
                          Exchange& exchange) const;
  bool hand_over(Client client);

  void advance(Client client);
  void join(const Question& question, Client client);
  void give_stale(Pending& pending);
  void complete(Pending& pending, const Result<StoredAnswer>& answer);
  void complete(Client client, const Pending& pending, const StoredAnswer* answer,
                std::uint32_t age, std::uint32_t least_ttl);
  void fail(const Client& client);
  void deliver(const Client& client, std::size_t size);
  void keep(const Question& question, const StoredAnswer& answer);

  asio::awaitable<void> resolve(std::shared_ptr<Pending> pending);
  void refresh(const LowerName& name, Type type, bool dnssec_ok, bool checking_disabled);
  void begin(const Question& question, std::optional<Client> client);

  asio::awaitable<void> look_for_loop(std::shared_ptr<Upstream> upstream);
  [[nodiscard]] bool is_loop(const LowerName& name);

  asio::any_io_executor io;
  Options options;
  serve::Shared shared;
  Epochs::Reader& reader;
  proxy::Log& log;
  std::uint64_t random;
  Cache cache;
  std::vector<Group> groups;  // the longest domain first; the last is for everything
  std::vector<std::shared_ptr<Upstream>> all;
  std::unordered_map<std::string, std::shared_ptr<Pending>> pending;
  std::map<std::string, std::shared_ptr<Upstream>> loop_names;  // what each was asked for
  ResolverFigures figures;
  std::atomic<std::size_t> in_flight{0};
  Exchange exchange;
  std::vector<std::uint8_t> reply = std::vector<std::uint8_t>(kMaxMessage);
  bool stopped = false;
};

// ── finding an answer: any thread ───────────────────────────────────────────────────────────────

serve::Outside::Hit Resolver::Impl::apply(const StoredAnswer& answer, std::uint32_t age,
                                          std::uint32_t least_ttl, Exchange& to) const {
  if (to.may_try_next && answer.rcode == Rcode::name_error) return Hit::next_step;
  if (to.may_try_next && answer.rcode == Rcode::no_error && answer.answers == 0) {
    // autopath: the name asked for has nothing of the type either, and needs no CNAME.
    to.response.clear_records();
    to.owner = Response::kNowhere;
  }
  append(answer, age, least_ttl, to);
  return Hit::answered;
}

serve::Outside::Hit Resolver::Impl::look_up(Exchange& to, Time now) {
  if (!options.cache) return Hit::none;
  const auto question = question_of(to);
  const auto* entry = cache.find(question);
  if (entry == nullptr || now >= entry->fresh_until) return Hit::none;
  entry->used.store(true, std::memory_order_relaxed);
  const auto hits = entry->hits.load(std::memory_order_relaxed);
  entry->hits.store(hits + 1, std::memory_order_relaxed);  // a lost count among workers is no harm
  const Time life = entry->fresh_until - entry->stored_at;
  if (entry->fresh_until - now < life / 10 && hits >= kPopular &&
      !entry->refreshing.exchange(true, std::memory_order_relaxed)) {
    asio::post(io, [self = shared_from_this(), name = to.ask, type = question.type,
                    dnssec_ok = question.dnssec_ok,
                    cd = question.checking_disabled] { self->refresh(name, type, dnssec_ok, cd); });
  }
  return apply(entry->answer, entry->age(now), 0, to);
}

bool Resolver::Impl::hand_over(Client client) {
  if (in_flight.fetch_add(1, std::memory_order_relaxed) >= options.max_questions) {
    in_flight.fetch_sub(1, std::memory_order_relaxed);
    figures.rejected.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  asio::post(io, [self = shared_from_this(), waiting = std::move(client)]() mutable {
    self->advance(std::move(waiting));
  });
  return true;
}

// ── a client's question: the service thread from here on ────────────────────────────────────────

// Goes on with a client until it is answered or has to wait.
void Resolver::Impl::advance(Client client) {
  const Epochs::Inside inside{reader};
  for (int round = 0; round < kMaxRounds && !stopped; ++round) {
    exchange.autopath_step = client.step;
    const auto outcome =
        shared.responder.respond(shared.zone.read(), client.query, client.asking, exchange, reply);
    if (outcome.next != Next::ask_upstream) return deliver(client, outcome.size);
    const auto here = exchange.may_try_next ? exchange.autopath_step - 1 : 0;
    const auto hit = look_up(exchange, steady_now());
    if (hit == Hit::answered) return deliver(client, exchange.response.finish());
    if (hit == Hit::none) {
      client.step = here;
      if (is_loop(exchange.ask)) return fail(client);
      return join(question_of(exchange), std::move(client));
    }
    client.step = exchange.autopath_step;
  }
  fail(client);
}

void Resolver::Impl::begin(const Question& question, std::optional<Client> client) {
  auto entry = std::make_shared<Pending>();
  entry->name = question.name;
  entry->type = question.type;
  entry->dnssec_ok = question.dnssec_ok;
  entry->checking_disabled = question.checking_disabled;
  if (client) entry->clients.push_back(std::move(*client));
  pending.emplace(key_of(question), entry);
  figures.misses.add();
  asio::co_spawn(io, resolve(entry),
                 [self = shared_from_this(), entry](const std::exception_ptr& failure) {
                   if (failure) self->complete(*entry, proxy::system_error(ENOMEM, "resolve"));
                 });
}

void Resolver::Impl::join(const Question& question, Client client) {
  const auto known = pending.find(key_of(question));
  if (known != pending.end()) {
    figures.joined.add();
    known->second->clients.push_back(std::move(client));
    if (known->second->gave_stale) give_stale(*known->second);
    return;
  }
  begin(question, std::move(client));
}

void Resolver::Impl::refresh(const LowerName& name, Type type, bool dnssec_ok,
                             bool checking_disabled) {
  const Question question{name, type, dnssec_ok, checking_disabled};
  if (stopped || pending.contains(key_of(question))) return;
  figures.prefetches.add();
  begin(question, std::nullopt);
}

void Resolver::Impl::deliver(const Client& client, std::size_t size) {
  in_flight.fetch_sub(1, std::memory_order_relaxed);
  const auto bytes = Bytes{reply}.first(size);
  figures.replies[serve::index_of(exchange.response.rcode())].add();
  if (client.done) return client.done(bytes);
  if (size > 0) (void)serve::send_reply(client.fd, client.path, bytes);
}

// Answers with SERVFAIL what exchange.response was begun for.
void Resolver::Impl::fail(const Client& client) {
  exchange.response.clear_records();
  exchange.response.set_rcode(Rcode::server_failure);
  deliver(client, exchange.response.finish());
}

// ── an answer ───────────────────────────────────────────────────────────────────────────────────

void Resolver::Impl::keep(const Question& question, const StoredAnswer& answer) {
  const auto now = steady_now();
  if (!options.cache) return;
  auto ttl = std::min<std::int64_t>(
      answer.ttl, (answer.negative ? options.max_negative_ttl : options.max_ttl).count());
  auto stale_for = options.stale_for.count();
  if (answer.rcode == Rcode::server_failure) {
    // Only where there is nothing better: a failure must not take the place of a stale answer.
    const auto* old = cache.find(question);
    if (old != nullptr && old->answer.rcode != Rcode::server_failure && old->stale_until > now) {
      return;
    }
    ttl = options.failure_ttl.count();
    stale_for = 0;
  }
  if (ttl <= 0) return;
  const auto fresh_until = now + ttl * kSecond;
  cache.put(question, answer, now, fresh_until, fresh_until + stale_for * kSecond);
}

void Resolver::Impl::give_stale(Pending& entry) {
  const auto now = steady_now();
  const auto* old = cache.find(entry.question());
  if (old == nullptr || now >= old->stale_until) return;
  const Epochs::Inside inside{reader};
  entry.gave_stale = true;
  for (auto& client : std::exchange(entry.clients, {})) {
    figures.stale.add();
    complete(std::move(client), entry, &old->answer, old->age(now), kStaleTtl);
  }
}

void Resolver::Impl::complete(Pending& entry, const Result<StoredAnswer>& answer) {
  pending.erase(key_of(entry.question()));
  const bool useful = answer && is_good(answer->rcode);
  if (answer) keep(entry.question(), *answer);
  if (!useful) {
    if (const auto* old = cache.find(entry.question())) {
      old->refreshing.store(false, std::memory_order_relaxed);
    }
    give_stale(entry);
  }
  for (auto& client : std::exchange(entry.clients, {})) {
    complete(std::move(client), entry, answer ? &*answer : nullptr, 0, 0);
  }
}

// Finishes one client's reply. The zone may have changed while it waited, so its query is looked at
// again; it may even turn out that another question has to be asked.
void Resolver::Impl::complete(Client client, const Pending& entry, const StoredAnswer* answer,
                              std::uint32_t age, std::uint32_t least_ttl) {
  const Epochs::Inside inside{reader};
  exchange.autopath_step = client.step;
  const auto outcome =
      shared.responder.respond(shared.zone.read(), client.query, client.asking, exchange, reply);
  if (outcome.next != Next::ask_upstream) return deliver(client, outcome.size);
  if (!(exchange.ask == entry.name)) return advance(std::move(client));
  if (answer == nullptr) return fail(client);
  if (apply(*answer, age, least_ttl, exchange) == Hit::next_step) {
    client.step = exchange.autopath_step;
    return advance(std::move(client));
  }
  deliver(client, exchange.response.finish());
}

// ── asking upstreams ────────────────────────────────────────────────────────────────────────────

void Resolver::Impl::add_group(const LowerName& domain,
                               const std::vector<UpstreamAddress>& addresses) {
  Group group{.domain = domain, .upstreams = {}};
  for (const auto& address : addresses) {
    group.upstreams.push_back(std::make_shared<Upstream>(io, address));
    all.push_back(group.upstreams.back());
  }
  groups.push_back(std::move(group));
}

const Resolver::Impl::Group& Resolver::Impl::group_for(const LowerName& name) const {
  return *std::find_if(groups.begin(), groups.end(),
                       [&](const Group& group) { return name.is_below_or_at(group.domain); });
}

asio::awaitable<void> Resolver::Impl::resolve(std::shared_ptr<Pending> entry) {
  const auto self = shared_from_this();
  // After a while a stale answer is better than none; the real one still replaces it in the cache.
  const auto impatience = std::make_shared<asio::steady_timer>(io, options.stale_after);
  impatience->async_wait([self, entry](const boost::system::error_code& cancelled) {
    if (!cancelled) self->give_stale(*entry);
  });
  const auto deadline = Clock::now() + options.deadline;
  const auto answer =
      co_await pick(io, group_for(entry->name).upstreams, entry->question(), deadline, random);
  impatience->cancel();
  if (!stopped) complete(*entry, answer);
}

// ── loops ───────────────────────────────────────────────────────────────────────────────────────

// Asks each upstream once for a name that nobody else can ask for. If it comes in as a question,
// the upstream leads back to us: it is left alone, and all else goes on.
asio::awaitable<void> Resolver::Impl::look_for_loop(std::shared_ptr<Upstream> upstream) {
  const auto self = shared_from_this();
  std::string text;
  for (int i = 0; i < 4; ++i) {
    text += std::to_string(serve::next_random(random)) + (i == 1 || i == 3 ? "." : "");
  }
  const auto name = *parse_name(text);
  loop_names.emplace(text_of(name.wire()), upstream);
  (void)co_await upstream->ask(name, Type::hinfo, false, false, Clock::now() + options.deadline);
  loop_names.erase(std::string{text_of(name.wire())});
}

bool Resolver::Impl::is_loop(const LowerName& name) {
  if (loop_names.empty()) return false;
  const auto found = loop_names.find(std::string{text_of(name.wire())});
  if (found == loop_names.end()) return false;
  if (!found->second->is_excluded()) {
    found->second->exclude();
    log.error("dns: upstream " + found->second->address().text() +
              " sends questions back to this server; it is not used");
  }
  return true;
}

// ── the class ───────────────────────────────────────────────────────────────────────────────────

Resolver::Resolver(asio::any_io_executor executor, Options options, const serve::Shared& shared,
                   Epochs& epochs, Epochs::Reader& reader, std::uint64_t seed, proxy::Log& log)
    : impl_{std::make_shared<Impl>(std::move(executor), std::move(options), shared, epochs, reader,
                                   seed, log)} {}

Resolver::~Resolver() = default;

void Resolver::start() {
  for (const auto& upstream : impl_->all) {
    asio::co_spawn(impl_->io, impl_->look_for_loop(upstream), [](const std::exception_ptr&) {});
  }
}

void Resolver::stop() {
  impl_->stopped = true;
  for (const auto& upstream : impl_->all) upstream->stop();
}

serve::Outside::Hit Resolver::look_up(Exchange& exchange, std::int64_t now) {
  return impl_->look_up(exchange, now);
}

bool Resolver::ask(const Exchange& exchange, const Asking& asking,
                   const serve::UdpQuestion& question) {
  Client client;
  client.query.assign(question.query.begin(), question.query.end());
  client.asking = asking;
  client.step = exchange.may_try_next ? exchange.autopath_step - 1 : 0;
  client.fd = question.fd;
  client.path = question.path;
  return impl_->hand_over(std::move(client));
}

bool Resolver::ask(const Exchange& exchange, const Asking& asking, Bytes query,
                   std::function<void(Bytes reply)> done) {
  Client client;
  client.query.assign(query.begin(), query.end());
  client.asking = asking;
  client.step = exchange.may_try_next ? exchange.autopath_step - 1 : 0;
  client.done = std::move(done);
  return impl_->hand_over(std::move(client));
}

std::size_t Resolver::waiting() const {
  return impl_->in_flight.load(std::memory_order_relaxed);
}
const ResolverFigures& Resolver::figures() const {
  return impl_->figures;
}
const Cache& Resolver::cache() const {
  return impl_->cache;
}
const std::vector<std::shared_ptr<Upstream>>& Resolver::upstreams() const {
  return impl_->all;
}

}  // namespace dns::forward
