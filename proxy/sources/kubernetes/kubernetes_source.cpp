#include "proxy/sources/kubernetes/kubernetes_source.hpp"

#include "proxy/records/mirror.hpp"
#include "proxy/sources/kubernetes/follower.hpp"
#include "proxy/sources/kubernetes/pulse.hpp"
#include "proxy/sources/kubernetes/state_keeper.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <random>

namespace proxy::sources::kubernetes {
namespace {

namespace asio = boost::asio;

// What escapes a coroutine is a bug here or memory that ran out; neither is survived silently.
void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

// Forwarding and DNS go by EndpointSlices.
std::vector<records::Record> as_delivered(std::vector<records::Record> stored) {
  std::vector<records::Record> all;
  all.reserve(stored.size());
  for (auto& record : stored) {
    if (const auto* endpoints = std::get_if<records::Endpoints>(&record)) {
      for (auto& slice : records::mirrored(*endpoints)) all.emplace_back(std::move(slice));
    } else {
      all.push_back(std::move(record));
    }
  }
  return all;
}

}  // namespace

// Shared with the coroutines, which may end only after the source is gone.
struct KubernetesSource::Following final : FollowerListener,
                                           std::enable_shared_from_this<Following> {
  Following(asio::io_context& io, Log& log_, Settings settings_, Sink& sink_)
      : settings{std::move(settings_)},
        log{log_},
        sink{sink_},
        servers{settings.access.servers, random()},
        credentials{io.get_executor(), settings.access, settings.timing.plugin},
        client{.executor = io.get_executor(),
               .credentials = credentials,
               .servers = servers,
               .proxy = settings.access.proxy,
               .user_agent = settings.user_agent,
               .timing = settings.timing,
               .sign_of_life = [this] { pulse->felt(); },
               .answered = settings.answered},
        parts{.client = client,
              .decoder = decoder,
              .parser = parser,
              .reader = reader,
              .chance =
                  [this] {
                    return std::uniform_real_distribution<double>{0, 1}(random);
                  },
              .listener = *this},
        pulse{std::make_shared<Pulse>(client, [this] { server_is_dead(); })},
        patience{io} {
    for (auto& selection : selections_for(settings.interests)) {
      followers.push_back(std::make_shared<Follower>(parts, std::move(selection)));
    }
  }

  void start();
  void stop();
  void server_is_dead();

  // State on disk.
  void keep_state();
  void use_stored_state();
  [[nodiscard]] std::vector<std::string> server_texts() const;

  // FollowerListener
  bool wants_changes() const override { return complete; }
  void changed(Follower& follower, std::vector<Change> changes) override;
  void listed(Follower& follower) override;
  void troubled() override;

  Settings settings;
  Log& log;
  Sink& sink;
  std::mt19937 random{std::random_device{}()};
  ServerChoice servers;
  Credentials credentials;
  records::Decoder decoder;
  records::json::Parser parser;
  records::BinaryReader reader;
  ClientParts client;
  FollowerParts parts;
  std::shared_ptr<Pulse> pulse;
  std::vector<std::shared_ptr<Follower>> followers;
  asio::steady_timer patience;  // until the state on disk is used
  std::optional<StateKeeper> keeper;
  bool stopped = false;
  bool complete = false;                        // everything has been listed, and handed on
  std::optional<StateOrigin> from_disk;         // what was handed on instead
  std::optional<std::string> state_file_error;  // why it could not be read, or written
  std::vector<Problem> told;
};

void KubernetesSource::Following::start() {
  // What is shared lives as long as anything that refers to it runs.
  const auto keep = [shared = shared_from_this()](const std::exception_ptr& error) {
    rethrow(error);
  };
  auto& io = patience.get_executor();
  for (const auto& follower : followers) asio::co_spawn(io, Follower::run(follower), keep);
  asio::co_spawn(io, Pulse::run(pulse), keep);
  if (settings.state_file.empty()) return;
  patience.expires_after(settings.timing.state_file_after);
  patience.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    const auto self = weak.lock();
    if (self && !cancelled && !self->complete && !self->stopped) self->use_stored_state();
  });
}

void KubernetesSource::Following::stop() {
  stopped = true;
  patience.cancel();
  credentials.stop();
  pulse->stop();
  for (const auto& follower : followers) follower->stop();
  if (keeper) keeper->stop();
}

void KubernetesSource::Following::server_is_dead() {
  if (stopped) return;
  log.warning(fmt::format("API server {}: gives no sign of life", servers.current().authority()));
  servers.failed(servers.current());
  for (const auto& follower : followers) follower->give_up_request();
}

// ── what followers tell ─────────────────────────────────────────────────────────────────────────

void KubernetesSource::Following::changed(Follower& /*follower*/, std::vector<Change> changes) {
  if (!complete || stopped) return;
  sink.change(std::move(changes));
  if (keeper) keeper->changed();
}

void KubernetesSource::Following::listed(Follower& follower) {
  log.detail(2, fmt::format("{}: {} listed", resource_of(follower.selection().kind).title(),
                            follower.store().size()));
  if (complete || stopped) return;
  const auto is_listed = [](const auto& each) { return each->is_listed(); };
  if (!std::ranges::all_of(followers, is_listed)) return;
  complete = true;
  patience.cancel();
  std::vector<records::Record> all;
  for (const auto& each : followers) each->store().append_all(all);
  if (from_disk) sink.as_of(std::nullopt);
  from_disk.reset();
  sink.replace(std::move(all));
  if (!settings.state_file.empty()) keep_state();
  troubled();
}

void KubernetesSource::Following::troubled() {
  if (stopped) return;
  std::vector<Problem> all;
  for (const auto& follower : followers) follower->append_problems(all);
  if (from_disk) {
    all.push_back(
        {"state file " + settings.state_file.string(),
         fmt::format("in use: the API server has given no records, these are of {:%FT%TZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(from_disk->saved)))});
  }
  if (state_file_error) all.push_back({"state file", *state_file_error});
  if (all == told) return;
  told = all;
  sink.problems(std::move(all));
}

// ── state on disk ───────────────────────────────────────────────────────────────────────────────

std::vector<std::string> KubernetesSource::Following::server_texts() const {
  std::vector<std::string> texts;
  for (const auto& server : settings.access.servers) texts.push_back(server.text());
  return texts;
}

void KubernetesSource::Following::keep_state() {
  state_file_error.reset();
  keeper.emplace(StateKeeper::Parts{.executor = patience.get_executor(),
                                    .path = settings.state_file,
                                    .servers = server_texts(),
                                    .interval = settings.timing.state_file_interval,
                                    .records =
                                        [this] {
                                          std::vector<RecordBytes> all;
                                          for (const auto& each : followers) {
                                            const auto bytes = each->store().all_bytes();
                                            all.insert(all.end(), bytes.begin(), bytes.end());
                                          }
                                          return all;
                                        },
                                    .written =
                                        [this](const Result<void>& done) {
                                          state_file_error =
                                              done ? std::nullopt
                                                   : std::optional{done.error().text()};
                                          troubled();
                                        }});
  keeper->changed();
}

void KubernetesSource::Following::use_stored_state() {
  auto stored = read_state(settings.state_file, reader);
  if (!stored) {
    // A first start has none.
    if (stored.error().code != std::errc::no_such_file_or_directory) {
      state_file_error = stored.error().text();
    }
    troubled();
    return;
  }
  const auto ours = server_texts();
  const auto is_ours = [&](const auto& server) { return std::ranges::count(ours, server) != 0; };
  if (std::ranges::none_of(stored->origin.servers, is_ours)) {
    state_file_error = settings.state_file.string() + ": is of another cluster, not used";
    troubled();
    return;
  }
  from_disk = std::move(stored->origin);
  sink.as_of(from_disk->saved);
  sink.replace(as_delivered(std::move(stored->records)));
  troubled();
}

KubernetesSource::KubernetesSource(asio::io_context& io, Log& log, Settings settings)
    : io_{io}, log_{log}, settings_{std::move(settings)} {}

KubernetesSource::~KubernetesSource() {
  stop();
}

Result<void> KubernetesSource::start(Sink& sink) {
  following_ = std::make_shared<Following>(io_, log_, settings_, sink);
  following_->start();
  return {};
}

void KubernetesSource::stop() {
  if (!following_) return;
  following_->stop();
  following_.reset();
}

}  // namespace proxy::sources::kubernetes
