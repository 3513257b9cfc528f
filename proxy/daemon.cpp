#include "proxy/daemon.hpp"

#include "proxy/answers.hpp"
#include "proxy/environment/environment.hpp"
#include "proxy/host/conntrack_settings.hpp"
#include "proxy/host/file_watch.hpp"
#include "proxy/host/process.hpp"
#include "proxy/host/service_manager.hpp"
#include "proxy/listeners.hpp"
#include "proxy/predecessor.hpp"
#include "proxy/status/pages.hpp"
#include "proxy/status/reporter.hpp"
#include "proxy/status/service_health.hpp"
#include "proxy/succession.hpp"
#include "proxy/sync/intake.hpp"
#include "proxy/sync/scheduler.hpp"
#include "proxy/sync/steady_alarm.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <malloc.h>

#include <csignal>
#include <optional>
#include <random>
#include <utility>

namespace proxy {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr auto kShutdownTime = 10s;  // a third of the grace that Kubernetes gives a pod

std::function<double()> uniform_chance() {
  return [engine = std::mt19937{std::random_device{}()}]() mutable {
    return std::uniform_real_distribution<double>{0, 1}(engine);
  };
}

class Daemon final : public sync::Observer, public sync::IntakeListener {
 public:
  explicit Daemon(const DaemonParts& parts);
  Result<void> run();

 private:
  // Start, step by step.
  Result<void> serve_names();
  [[nodiscard]] Listeners::Parts listeners_parts();
  void set_up_conntrack();

  // End.
  static asio::awaitable<void> end_on_signal(Daemon& self);
  Result<void> watch_configuration();
  static asio::awaitable<void> end_on_change(Daemon& self, UniqueFd changed);
  void begin_to_end();
  static asio::awaitable<void> keep_watchdog_calm(Daemon& self, std::chrono::microseconds period);
  void tell_service_manager(const sync::Outcome& outcome);
  static asio::awaitable<void> forward(Daemon& self);
  static asio::awaitable<void> take_over(Daemon& self);
  void fail(const std::exception_ptr& error);

  // What happens, passed on to who cares.
  void records_replaced(std::size_t count) override;
  void about_to_replace(const std::vector<records::Record>& all) override;
  void about_to_change(const std::vector<sources::Change>& changes) override;
  void records_changed() override;
  void records_as_of(std::optional<std::chrono::system_clock::time_point> time) override {
    health_.records_as_of(time);
  }
  void problems_changed(const std::vector<sources::Problem>& added,
                        const std::vector<sources::Problem>& gone) override;
  void queued() override { reporter_.queued(); }
  void began(sync::Cause cause) override;
  void finished(const sync::Outcome& outcome) override;
  void noticed(const modes::OutsideChange& change) override { reporter_.noticed(change); }

  [[nodiscard]] bool forwards() const { return config_.mode != config::ProxyMode::none; }

  const DaemonParts& parts_;
  const config::Config& config_;
  Log& log_;
  const status::Moment started_ = status::Moment::now();
  asio::io_context io_{1};  // before all that works on it
  std::optional<Error> failure_;

  const host::ServiceManager service_manager_ = host::ServiceManager::from_environment();
  bool records_are_complete_ = false;  // the source has given its first full list
  asio::steady_timer complete_{io_, asio::steady_timer::time_point::max()};  // cancelled: they are
  status::Health health_;
  status::Metrics metrics_;
  state::ServiceTable table_;
  environment::Environment environment_;
  status::Reporter reporter_;
  status::ServiceHealth service_health_;
  std::map<std::string, std::string> listening_;
  std::vector<host::Setting>
      missing_settings_;  // to be tried again when rules have loaded conntrack

  std::unique_ptr<sync::Alarm> alarm_ = sync::steady_alarm(io_.get_executor());
  std::unique_ptr<modes::Mode> mode_;
  Succession succession_{{.log = log_,
                          .can_be_told_to_end = [this] { return listeners_.serve_admin(); },
                          .sockets = [this] { return mode_->sockets_to_hand_over(); }}};
  std::optional<sync::Scheduler> scheduler_;
  std::unique_ptr<NameService> names_;
  sync::Intake intake_;
  std::unique_ptr<sources::Source> source_;

  Answers answers_{{.executor = io_.get_executor(),
                    .version = parts_.version,
                    .config = config_,
                    .started = started_,
                    .table = table_,
                    .environment = environment_,
                    .intake = intake_,
                    .records_are_complete = records_are_complete_,
                    .health = health_,
                    .metrics = metrics_,
                    .reporter = reporter_,
                    .service_health = service_health_,
                    .listening = listening_,
                    .mode = mode_,
                    .names = names_}};
  Listeners listeners_{listeners_parts()};
};

Daemon::Daemon(const DaemonParts& parts)
    : parts_{parts},
      config_{parts.config},
      log_{parts.log},
      // Manifests need not hold this node's Node object; a cluster has one.
      health_{2 * parts.config.sync_period, parts.config.api.has_value()},
      metrics_{parts.version, to_string(parts.config.mode)},
      table_{{.name = parts.config.node_name, .bind_address = parts.config.bind_address}},
      reporter_{{.log = log_,
                 .health = health_,
                 .metrics = metrics_,
                 .table = table_,
                 .now = status::Moment::now}},
      service_health_{
          {.executor = io_.get_executor(),
           .log = log_,
           .addresses = parts.config.node_port_addresses,
           .local_addresses = host::local_addresses,
           .proxy_healthy = [this] { return health_.is_healthy(status::Moment::now()); }}},
      intake_{table_, *this,
              forwards() || !parts.config.dns.is_served() ? sync::Intake::Keep::all
                                                          : sync::Intake::Keep::node} {}

// ── start ────────────────────────────────────────────────────────────────────────────────────────

Result<void> Daemon::run() {
  (void)std::signal(SIGHUP, SIG_IGN);   // manifests are watched, there is nothing to reload
  (void)std::signal(SIGPIPE, SIG_IGN);  // writers see EPIPE
  (void)std::signal(SIGUSR2, SIG_IGN);  // until there is something to take over
  log_.info(fmt::format("viaduct {}: mode {}, node {}, records from {}", parts_.version,
                        to_string(config_.mode), config_.node_name,
                        config_.api ? "the Kubernetes API" : config_.manifests));

  if (const auto watching = watch_configuration(); !watching) return watching.error();
  // Whether a daemon runs here already is known before anything is touched.
  if (const auto listening = listeners_.open(); !listening) return listening.error();
  if (const auto serving = serve_names(); !serving) return serving.error();
  if (forwards()) set_up_conntrack();

  auto mode = parts_.make_mode(config_, io_);
  if (!mode) return mode.error();
  mode_ = std::move(*mode);
  scheduler_.emplace(
      sync::SchedulerParts{.wanted = table_,
                           .mode = *mode_,
                           .alarm = *alarm_,
                           .observer = *this,
                           .chance = uniform_chance()},
      sync::Policy{.period = config_.sync_period, .min_period = config_.min_sync_period});
  auto source = parts_.make_source(config_, io_, [this](const auto& host, const auto& code) {
    metrics_.api_request(host, code);
  });
  if (!source) return source.error();
  source_ = std::move(*source);
  if (const auto started = source_->start(intake_); !started) return started.error();

  const auto stop_on_failure = [this](const std::exception_ptr& error) { fail(error); };
  asio::co_spawn(io_, end_on_signal(*this), stop_on_failure);
  asio::co_spawn(io_, Succession::run(succession_), stop_on_failure);
  asio::co_spawn(io_, forward(*this), stop_on_failure);
  if (const auto period = service_manager_.watchdog()) {
    asio::co_spawn(io_, keep_watchdog_calm(*this, *period), stop_on_failure);
  }
  io_.run();
  if (failure_) return *failure_;
  return {};
}

Listeners::Parts Daemon::listeners_parts() {
  auto commands = answers_.admin_commands();
  commands.emplace("end", status::at_once([this](const auto& asked) {
                     const auto mode = to_string(config_.mode);
                     const bool is_like_us = status::successor_from(asked.json) == mode;
                     if (mode_ && is_like_us) mode_->expect_successor();
                     (void)std::raise(SIGTERM);  // one way to end
                     return std::string{R"({"ending":true})"};
                   }));
  const auto names_are_ready = [this] {
    return records_are_complete_ && (!names_ || names_->ready());
  };
  return {
      .executor = io_.get_executor(),
      .config = config_,
      .log = log_,
      .failed = [this](const std::exception_ptr& error) { fail(error); },
      .addresses = listening_,
      .health = status::handler_for(status::health_pages(health_, metrics_, names_are_ready)),
      .metrics = status::handler_for(status::metrics_pages(
          {.mode = std::string{to_string(config_.mode)},
           .configz = parts_.configz,
           .metrics = [this] { return answers_.metrics(); },
           .status = [this](auto query,
                            auto reply) { answers_.status(std::move(query), std::move(reply)); }})),
      .admin = std::move(commands)};
}

Result<void> Daemon::serve_names() {
  auto names = parts_.make_name_service();
  if (!names) return names.error();
  names_ = std::move(*names);
  if (!names_) return {};
  listeners_.note("dns", fmt::format("{}", fmt::join(names_->listening(), ",")));
  return {};
}

void Daemon::set_up_conntrack() {
  const auto settings = host::conntrack_settings(config_.conntrack, host::cpu_count());
  for (const auto& setting : settings) {
    for (const auto& error : host::apply({setting})) {
      // The kernel has these files only once a rule has loaded its connection tracking.
      if (error.code == std::errc::no_such_file_or_directory) {
        missing_settings_.push_back(setting);
      } else {
        log_.warning(fmt::format("{}; it stays as it is", error.text()));
      }
    }
  }
}

// ── end ──────────────────────────────────────────────────────────────────────────────────────────

asio::awaitable<void> Daemon::end_on_signal(Daemon& self) {
  asio::signal_set signals{self.io_, SIGTERM, SIGINT};
  const auto [error, signal] = co_await signals.async_wait(kAwait);
  if (error) co_return;
  self.log_.info(
      fmt::format("{}: ending, what is in force stays", signal == SIGTERM ? "SIGTERM" : "SIGINT"));
  self.begin_to_end();

  // Connections that a mode carries itself have their own time to end.
  const bool drains = self.config_.mode == config::ProxyMode::userspace;
  asio::steady_timer deadline{
      self.io_, kShutdownTime + (drains ? self.config_.userspace.drain : std::chrono::seconds{0})};
  deadline.async_wait([&self, &signals](boost::system::error_code cancelled) {
    if (cancelled) return;
    self.failure_ = system_error(ETIMEDOUT, "a sync did not end in time");
    signals.cancel();
  });
  // forward() stops the context when all is done; else a second signal or the deadline does.
  co_await signals.async_wait(kAwait);
  self.io_.stop();
}

void Daemon::begin_to_end() {
  if (const auto successor = succession_.successor()) {
    service_manager_.main_process(*successor);
  } else {
    service_manager_.stopping();
  }
  succession_.complete();
  source_->stop();
  scheduler_->stop();
  complete_.cancel();
}

// From the thread that does all the work, so that silence means that it hangs.
asio::awaitable<void> Daemon::keep_watchdog_calm(Daemon& self, std::chrono::microseconds period) {
  asio::steady_timer timer{self.io_};
  while (true) {
    self.service_manager_.alive();
    timer.expires_after(period / 2);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

void Daemon::tell_service_manager(const sync::Outcome& outcome) {
  if (!outcome.report) {
    service_manager_.status(fmt::format("failing: {}", outcome.report.error().text()));
    return;
  }
  service_manager_.ready(fmt::format("{} service ports with {} endpoints in force, mode {}",
                                     table_.size(), table_.endpoint_count(),
                                     to_string(config_.mode)));
}

Result<void> Daemon::watch_configuration() {
  if (config_.config_file.empty()) return {};
  auto changed = host::watch_file(config_.config_file);
  if (!changed) return changed.error();
  asio::co_spawn(io_, end_on_change(*this, std::move(*changed)),
                 [this](const std::exception_ptr& failed) { fail(failed); });
  return {};
}

// As kube-proxy does: whoever started us starts us again, with the new configuration.
asio::awaitable<void> Daemon::end_on_change(Daemon& self, UniqueFd changed) {
  asio::posix::stream_descriptor descriptor{self.io_, changed.release()};
  const auto [error] =
      co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, kAwait);
  if (error) co_return;
  self.failure_ =
      invalid(fmt::format("{}: changed, to be read by a new process", self.config_.config_file));
  self.begin_to_end();
}

// What the other daemon has put in force stays, so nothing is forwarded worse in between. Two that
// write the same rules would undo each other's work: ours begins when the other has ended.
asio::awaitable<void> Daemon::take_over(Daemon& self) {
  if (!self.records_are_complete_) co_await self.complete_.async_wait(kAwait);
  if (!self.records_are_complete_) co_return;  // told to end itself
  if (const auto ended =
          co_await end_predecessor(self.config_.admin_socket, to_string(self.config_.mode));
      !ended) {
    self.failure_ = within("take over", ended.error());
    self.io_.stop();
    co_return;
  }
  self.listeners_.predecessor_ended();
  self.log_.info("the other daemon has ended, taken over");
}

asio::awaitable<void> Daemon::forward(Daemon& self) {
  if (self.listeners_.have_predecessor()) co_await take_over(self);
  if (self.failure_) co_return;
  co_await self.scheduler_->run();
  // Nothing is written any more, so who takes over may begin while a mode ends its connections.
  if (self.names_) self.names_->stop();
  self.service_health_.stop();
  self.listeners_.close();
  co_await self.mode_->shut_down();
  self.io_.stop();
}

void Daemon::fail(const std::exception_ptr& error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    failure_ = Error{std::make_error_code(std::errc::state_not_recoverable), exception.what()};
  }
  io_.stop();
}

// ── what happens ─────────────────────────────────────────────────────────────────────────────────

void Daemon::records_replaced(std::size_t count) {
#ifdef __GLIBC__
  (void)::malloc_trim(0);  // what reading a full list took for a moment is a third of all memory
#endif
  records_are_complete_ = true;
  complete_.cancel();
  reporter_.records_replaced(count);
  scheduler_->records_are_complete();
}

void Daemon::about_to_replace(const std::vector<records::Record>& all) {
  environment_.replace(all);
  if (names_) names_->replace(all);
}

void Daemon::about_to_change(const std::vector<sources::Change>& changes) {
  environment_.change(changes);
  if (names_) names_->change(changes);
  reporter_.about_to_change(changes);
}

void Daemon::records_changed() {
  reporter_.records_changed();
  scheduler_->changed();
}

void Daemon::problems_changed(const std::vector<sources::Problem>& added,
                              const std::vector<sources::Problem>& gone) {
  reporter_.problems_changed(added, gone);
}

void Daemon::began(sync::Cause cause) {
  reporter_.began(cause);
  if (forwards()) service_health_.began(table_);
}

void Daemon::finished(const sync::Outcome& outcome) {
  reporter_.finished(outcome);
  tell_service_manager(outcome);
  if (!outcome.report || !forwards()) return;
  service_health_.written();
  for (const auto& error : host::apply(std::exchange(missing_settings_, {}))) {
    log_.warning(fmt::format("{}; it stays as it is", error.text()));
  }
}

}  // namespace

Result<void> run_daemon(const DaemonParts& parts) {
  return Daemon{parts}.run();
}

}  // namespace proxy
