#include "proxy/succession.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>
#include <sys/wait.h>

#include <csignal>

namespace proxy {

namespace asio = boost::asio;

Succession::Succession(Parts parts)
    : parts_{std::move(parts)}, program_{host::Program::of_this_process()} {}

asio::awaitable<void> Succession::run(Succession& self) {
  asio::signal_set signals{co_await asio::this_coro::executor, SIGUSR2, SIGCHLD};
  while (true) {
    const auto [error, signal] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    signal == SIGUSR2 ? self.start() : self.look_after();
  }
}

void Succession::start() {
  if (complete_) return;
  if (successor_) {
    return parts_.log.warning(
        fmt::format("SIGUSR2: process {} is about to take over already", *successor_));
  }
  if (!parts_.can_be_told_to_end()) {
    return parts_.log.error("SIGUSR2: taking over needs the admin socket, which is not served");
  }
  const auto sockets = parts_.sockets();
  const auto started = program_ ? host::start_successor(*program_, "--take-over", sockets)
                                : Result<pid_t>{program_.error()};
  if (!started) return parts_.log.error(within("SIGUSR2", started.error()).text());
  successor_ = *started;
  parts_.log.info(fmt::format("SIGUSR2: process {} is to take over, with {} listening sockets",
                              *successor_, sockets.size()));
}

void Succession::look_after() {
  int status = 0;
  if (!successor_ || ::waitpid(*successor_, &status, WNOHANG) != *successor_) return;
  if (complete_) return;
  parts_.log.error(
      fmt::format("process {}, which was to take over, has ended (status {}); this one goes on",
                  *successor_, WIFEXITED(status) ? WEXITSTATUS(status) : status));
  successor_.reset();
}

}  // namespace proxy
