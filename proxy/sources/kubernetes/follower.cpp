#include "proxy/sources/kubernetes/follower.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <utility>

namespace proxy::sources::kubernetes {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kPage = 500;  // objects, as client-go
constexpr std::size_t kLargestError = std::size_t{64} << 10;
// A watch that a server ends within this time without a word counts as refused.
constexpr std::chrono::seconds kShortWatch{1};

// The name of the object that an event deletes, however much of it could be read.
records::ObjectName name_in(const records::Outcome& object) {
  if (const auto* decoded = std::get_if<records::Decoded>(&object)) return name_of(decoded->record);
  if (const auto* skipped = std::get_if<records::Skipped>(&object)) return skipped->name;
  const auto& key = std::get<records::Rejected>(object).key;
  return key ? key->name : records::ObjectName{};
}

}  // namespace

Follower::Follower(const FollowerParts& parts, Selection selection)
    : parts_{parts},
      selection_{std::move(selection)},
      resource_{resource_of(selection_.kind)},
      client_{parts.client},
      course_{parts.client.timing.pace},
      store_{selection_.kind, parts.reader},
      pause_{parts.client.executor} {}

asio::awaitable<void> Follower::run(std::shared_ptr<Follower> self) {
  while (!self->stopped_) {
    auto outcome = co_await self->ask();
    if (self->stopped_) break;
    if (outcome.end == End::lost || outcome.end == End::failed) {
      auto& servers = self->parts_.client.servers;
      servers.failed(self->client_.server());
    }
    const auto wait = self->course_.ended(outcome, self->parts_.chance());
    if (wait > Duration{0}) co_await self->pause(wait);
  }
  self->client_.drop();
}

void Follower::stop() {
  stopped_ = true;
  client_.abort();
  pause_.cancel();
}

void Follower::give_up_request() {
  client_.abort();
}

void Follower::hurry() {
  pause_.cancel();
}

asio::awaitable<void> Follower::pause(Duration duration) {
  pause_.expires_after(duration);
  co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
}

Follower::Awaitable Follower::ask() {
  progress_ = false;
  ended_.reset();
  wrong_.reset();
  return course_.ask() == Ask::list ? list() : watch();
}

// ── lists ───────────────────────────────────────────────────────────────────────────────────────

Follower::Awaitable Follower::list() {
  store_.begin_list();
  PageRequest page{
      .limit = course_.pages() ? kPage : 0, .go_on = {}, .not_older = course_.version()};
  std::string version;
  do {
    ListMetadata metadata;
    const auto outcome = co_await list_page(page, metadata);
    if (outcome.end != End::closed || stopped_) co_return outcome;
    // Pages after a token that was renewed may be newer; the watch then repeats some changes.
    if (version.empty()) version = metadata.version;
    page.go_on = metadata.go_on;
  } while (!page.go_on.empty());
  end_list(std::move(version));
  co_return Outcome{.end = End::closed, .progress = true, .retry_after = {}};
}

Follower::Awaitable Follower::list_page(PageRequest page, ListMetadata& metadata) {
  auto target = list_target(selection_, page);
  const auto head = co_await client_.get(std::move(target));
  if (stopped_) co_return Outcome{};
  if (!head) co_return lost(head.error());
  if (head->status != 200) co_return co_await refused(head->status, head->retry_after);
  ListStream stream;
  std::optional<Error> bad_metadata;
  const ListStream::Receiver receiver{
      .item =
          [&](std::string_view item) {
            store_.list_item(parts_.decoder.decode_object(item, resource_.type()));
          },
      .member =
          [&](std::string_view key, std::string_view value) {
            if (key != "metadata") return;
            auto read = read_list_metadata(parts_.parser, value);
            if (!read) bad_metadata = read.error();
            if (read) metadata = *std::move(read);
          }};
  const auto on_body = [&](std::string_view bytes) { return stream.feed(bytes, receiver); };
  while (true) {
    const auto more = co_await client_.read_body(on_body, parts_.client.timing.within_object);
    if (stopped_) co_return Outcome{};
    if (!more) co_return lost(more.error());
    if (!*more) break;
  }
  if (bad_metadata) co_return lost(*bad_metadata);
  if (!stream.is_complete() || metadata.version.empty()) {
    co_return lost(invalid("the list ends too early"));
  }
  got_through();
  co_return Outcome{.end = End::closed, .progress = true, .retry_after = {}};
}

void Follower::end_list(std::string version) {
  std::vector<Change> changes;
  if (parts_.listener.wants_changes()) changes = store_.list_changes();
  store_.end_list();
  course_.listed(std::move(version));
  listed_ = true;
  got_through();
  if (!changes.empty()) parts_.listener.changed(*this, std::move(changes));
  parts_.listener.listed(*this);
  deliver();
}

// ── watches ─────────────────────────────────────────────────────────────────────────────────────

Follower::Awaitable Follower::watch() {
  const auto& timing = parts_.client.timing;
  const auto span = timing.watch_at_most - timing.watch_at_least;
  const auto longest =
      timing.watch_at_least + std::chrono::seconds{static_cast<std::int64_t>(
                                  static_cast<double>(span.count()) * parts_.chance())};
  initial_ = course_.ask() == Ask::stream;
  if (initial_) store_.begin_list();
  events_ = {};
  const auto began = std::chrono::steady_clock::now();
  // Not within the co_await: GCC 12 destroys temporaries of a conditional there twice.
  auto target = initial_ ? streaming_list_target(selection_, course_.version(), longest)
                         : watch_target(selection_, course_.version(), longest);
  const auto head = co_await client_.get(std::move(target));
  if (stopped_) co_return Outcome{};
  if (!head) co_return lost(head.error());
  if (head->status != 200) co_return co_await refused(head->status, head->retry_after);
  if (!initial_) got_through();

  const auto on_body = [this](std::string_view bytes) { return take_events(bytes); };
  while (true) {
    const auto more = co_await client_.read_body(on_body, patience());
    if (stopped_) co_return Outcome{};
    deliver();
    if (ended_) {
      client_.drop();  // more may follow, and nobody will read it
      co_return *ended_;
    }
    if (!more) {
      const bool waited_in_vain =
          initial_ && !events_.is_within_value() && more.error().code == std::errc::timed_out;
      // A server that does not know streaming lists leaves out their end.
      if (waited_in_vain)
        co_return Outcome{.end = End::unable, .progress = false, .retry_after = {}};
      co_return lost(more.error());
    }
    if (!*more) break;
  }
  if (initial_ || events_.is_within_value()) {
    co_return lost(system_error(ECONNRESET, "the watch ended too early"));
  }
  const bool lasted = std::chrono::steady_clock::now() - began >= kShortWatch;
  co_return Outcome{.end = End::closed, .progress = progress_ || lasted, .retry_after = {}};
}

Duration Follower::patience() {
  const auto& timing = parts_.client.timing;
  if (events_.is_within_value()) return timing.within_object;
  return initial_ ? timing.initial_events : timing.watch_silence;
}

Result<void> Follower::take_events(std::string_view bytes) {
  auto good = events_.feed(bytes, [this](std::string_view text) {
    if (!ended_ && !wrong_) take_event(text);
  });
  if (wrong_) return *wrong_;
  return good;
}

void Follower::take_event(std::string_view text) {
  const auto event = cut_event(text);
  if (!event) {
    wrong_ = event.error();
    return;
  }
  switch (event->type) {
    case EventType::added:
    case EventType::modified:
    case EventType::deleted:
      return take_object(*event);
    case EventType::bookmark:
      return take_bookmark(event->object);
    case EventType::error:
      return take_error(event->object);
    case EventType::unknown:
      return;  // of a newer API
  }
}

void Follower::take_object(const WatchEvent& event) {
  auto object = parts_.decoder.decode_object(event.object, resource_.type());
  const auto* decoded = std::get_if<records::Decoded>(&object);
  const auto version =
      decoded != nullptr ? decoded->resource_version : read_version(parts_.parser, event.object);
  const bool deleted = event.type == EventType::deleted;
  if (initial_) {
    // Versions of objects in a list say nothing about how new the list is.
    if (deleted) {
      store_.list_without(name_in(object));
    } else {
      store_.list_item(std::move(object));
    }
    return;
  }
  std::vector<Change> changes;
  if (deleted) {
    store_.remove(name_in(object), ResourceVersion{version}, changes);
  } else {
    store_.put(std::move(object), changes);
  }
  batch_.add(std::move(changes));
  if (!version.empty()) course_.seen(version);
  progress_ = true;
}

void Follower::take_bookmark(std::string_view object) {
  auto bookmark = read_bookmark(parts_.parser, object);
  if (!bookmark) {
    wrong_ = bookmark.error();
    return;
  }
  progress_ = true;
  if (!initial_) {
    course_.seen(std::move(bookmark->version));
    return;
  }
  if (!bookmark->initial_events_end) {
    ended_ = Outcome{.end = End::unable, .progress = false, .retry_after = {}};
    return;
  }
  initial_ = false;
  end_list(std::move(bookmark->version));
}

void Follower::take_error(std::string_view object) {
  const auto status = read_status(parts_.parser, object);
  const auto end = judge(status);
  if (end != End::expired) {
    set_trouble("the watch was ended: " + std::to_string(status.code) + " " + status.reason + ": " +
                status.message);
  }
  ended_ = Outcome{.end = end, .progress = progress_, .retry_after = status.retry_after};
}

void Follower::deliver() {
  if (!batch_.empty()) parts_.listener.changed(*this, batch_.take());
  if (told_problems_ == store_.problem_generation()) return;
  told_problems_ = store_.problem_generation();
  parts_.listener.troubled();
}

// ── what went wrong ─────────────────────────────────────────────────────────────────────────────

std::string_view Follower::verb() const {
  return course_.ask() == Ask::list ? "list" : "watch";
}

Outcome Follower::lost(const Error& error) {
  client_.drop();
  set_trouble(error.text());
  return {.end = End::lost, .progress = progress_, .retry_after = {}};
}

End Follower::judge(const Status& status) const {
  switch (status.code) {
    case 401:
    case 403:
      return End::denied;
    case 410:
      return End::expired;
    case 429:
    case 503:
      return End::busy;
    case 400:
    case 422:
      // How servers without streaming lists answer (KEP-3157).
      return initial_ ? End::unable : End::failed;
    default:
      return End::failed;
  }
}

Follower::Awaitable Follower::refused(unsigned code,
                                      std::optional<std::chrono::seconds> retry_after) {
  const auto body =
      co_await client_.rest_of_body(kLargestError, parts_.client.timing.within_object);
  auto status = read_status(parts_.parser, body);
  status.code = code;
  if (code == 401) {
    parts_.client.credentials.refused();
    client_.drop();  // a client certificate is shown when a connection begins
  }
  const auto end = judge(status);
  if (end != End::expired && end != End::unable) {
    auto text = std::to_string(code) + (status.reason.empty() ? "" : " " + status.reason);
    if (!status.message.empty()) text += ": " + status.message;
    set_trouble(end == End::denied
                    ? "may not " + std::string{verb()} + " " + resource_.title() + ": " + text
                    : "the server answers " + text);
  }
  co_return Outcome{
      .end = end, .progress = false, .retry_after = retry_after ? retry_after : status.retry_after};
}

void Follower::got_through() {
  set_trouble({});
}

void Follower::set_trouble(std::string what) {
  if (what == trouble_) return;
  trouble_ = std::move(what);
  parts_.listener.troubled();
}

void Follower::append_problems(std::vector<Problem>& all) const {
  const auto where = "API server " + client_.server().authority();
  if (!trouble_.empty()) {
    all.push_back({where, std::string{verb()} + " " + resource_.title() + ": " + trouble_});
  }
  for (const auto& [name, texts] : store_.problems()) {
    for (const auto& text : texts) all.push_back({resource_.title(), text});
  }
}

}  // namespace proxy::sources::kubernetes
