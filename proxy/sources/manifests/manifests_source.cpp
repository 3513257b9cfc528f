#include "proxy/sources/manifests/manifests_source.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <tuple>

namespace proxy::sources::manifests {
namespace {

namespace asio = boost::asio;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// What escapes a coroutine is a bug here or memory that ran out; neither is survived silently.
void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

// Hands over what is new: all of it the first time, then changes.
class Delivery {
 public:
  explicit Delivery(Sink& sink) : sink_{&sink} {}

  void deliver(Manifests& manifests, std::vector<Problem> problems) {
    if (!begun_) {
      begun_ = true;
      sink_->replace(manifests.take_first());
    } else if (auto changes = manifests.take_changes(); !changes.empty()) {
      sink_->change(std::move(changes));
    }
    tell(std::move(problems));
  }
  void tell(std::vector<Problem> problems) {
    if (problems == told_) return;
    told_ = problems;
    sink_->problems(std::move(problems));
  }

 private:
  Sink* sink_;
  bool begun_ = false;
  std::vector<Problem> told_;
};

}  // namespace

// ── a folder or a file ──────────────────────────────────────────────────────────────────────────

// Shared with the coroutines, which may end only after the source is gone.
struct ManifestsSource::Following {
  Tracker tracker;
  Delivery delivery;
  asio::posix::stream_descriptor events;  // does not own the descriptor: the tracker does
  asio::steady_timer timer;
  bool stopped = false;

  Following(asio::io_context& io, Tracker tracker_, Sink& sink)
      : tracker{std::move(tracker_)}, delivery{sink}, events{io, tracker.fd()}, timer{io} {}
  ~Following() { events.release(); }
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

  void settle() {
    if (tracker.found()) {
      delivery.deliver(tracker.manifests(), tracker.problems());
      if (tracker.read_again(Tracker::Clock::now())) {
        delivery.deliver(tracker.manifests(), tracker.problems());
      }
    } else {
      delivery.tell(tracker.problems());
    }
    // Wakes the clock's coroutine, which then waits for the new time.
    timer.expires_at(tracker.next_tick());
  }

  static asio::awaitable<void> follow_events(std::shared_ptr<Following> self);
  static asio::awaitable<void> follow_clock(std::shared_ptr<Following> self);
};

asio::awaitable<void> ManifestsSource::Following::follow_events(std::shared_ptr<Following> self) {
  while (!self->stopped) {
    const auto [ec] =
        co_await self->events.async_wait(asio::posix::stream_descriptor::wait_read, kTuple);
    if (self->stopped || ec) co_return;
    self->tracker.take_events(Tracker::Clock::now());
    self->settle();
  }
}

asio::awaitable<void> ManifestsSource::Following::follow_clock(std::shared_ptr<Following> self) {
  while (!self->stopped) {
    self->tracker.tick(Tracker::Clock::now());
    self->settle();
    boost::system::error_code moved{asio::error::operation_aborted};
    while (moved && !self->stopped) {  // settle() of the other coroutine moved the time
      std::tie(moved) = co_await self->timer.async_wait(kTuple);
    }
  }
}

// ── standard input ──────────────────────────────────────────────────────────────────────────────

struct ManifestsSource::StandardInput {
  Manifests manifests;
  Delivery delivery;
  asio::posix::stream_descriptor input;  // does not own the descriptor
  std::string text;
  bool stopped = false;

  StandardInput(asio::io_context& io, Sink& sink) : delivery{sink}, input{io} {}
  ~StandardInput() {
    if (input.is_open()) input.release();
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

  void finish(std::string why) {
    constexpr auto kName = "standard input";
    if (why.empty()) {
      manifests.update(kName, text);
    } else {
      manifests.set_unreadable(kName, std::move(why));
    }
    text = std::string{};
    delivery.deliver(manifests, manifests.problems(""));
  }

  static asio::awaitable<void> read_to_the_end(std::shared_ptr<StandardInput> self);
};

// Waits until there is something and then reads what there is, so that the descriptor, which others
// share, can stay as it is (blocking).
asio::awaitable<void> ManifestsSource::StandardInput::read_to_the_end(
    std::shared_ptr<StandardInput> self) {
  self->input.assign(STDIN_FILENO);
  bool pollable = true;
  std::array<char, 65536> buffer;
  for (;;) {
    if (pollable) {
      const auto [ec] =
          co_await self->input.async_wait(asio::posix::stream_descriptor::wait_read, kTuple);
      // epoll refuses regular files and /dev/null, which can always be read.
      pollable = ec != asio::error::operation_not_supported;
      if (self->stopped || (ec && pollable)) co_return;
    }
    const auto got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) co_return self->finish(system_error(errno, "read standard input").text());
    if (got == 0) co_return self->finish({});
    self->text.append(buffer.data(), static_cast<std::size_t>(got));
    if (self->text.size() > kLargestFile) co_return self->finish("standard input is too large");
  }
}

// ── ManifestsSource ─────────────────────────────────────────────────────────────────────────────

ManifestsSource::ManifestsSource(asio::io_context& io, std::filesystem::path path, Timing timing)
    : io_{io}, path_{std::move(path)}, timing_{timing} {}

ManifestsSource::~ManifestsSource() {
  stop();
}

Result<void> ManifestsSource::start(Sink& sink) {
  if (path_ == "-") {
    standard_input_ = std::make_shared<StandardInput>(io_, sink);
    asio::co_spawn(io_, StandardInput::read_to_the_end(standard_input_), rethrow);
    return {};
  }
  auto watch = FolderWatch::open();
  if (!watch) return within("watch " + path_.string(), watch.error());
  following_ = std::make_shared<Following>(io_, Tracker{path_, *std::move(watch), timing_}, sink);
  asio::co_spawn(io_, Following::follow_clock(following_), rethrow);
  asio::co_spawn(io_, Following::follow_events(following_), rethrow);
  return {};
}

void ManifestsSource::stop() {
  if (following_) {
    following_->stopped = true;
    following_->events.cancel();
    following_->timer.cancel();
    following_.reset();
  }
  if (standard_input_) {
    standard_input_->stopped = true;
    if (standard_input_->input.is_open()) standard_input_->input.cancel();
    standard_input_.reset();
  }
}

}  // namespace proxy::sources::manifests
