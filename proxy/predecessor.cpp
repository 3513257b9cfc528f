#include "proxy/predecessor.hpp"

#include "proxy/status/admin_socket.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <chrono>

namespace proxy {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 20s;  // twice what a daemon takes to end at most
constexpr auto kPause = 20ms;

// Blocks for at most a second: a daemon that is about to end may have no time for an answer.
Result<std::string> ask(const std::filesystem::path& admin_socket, std::string_view request) {
  status::AdminLimits limits;
  limits.time = 1s;
  return status::ask_admin(admin_socket, request, limits);
}

bool is_nobody_there(const Result<std::string>& reply) {
  if (reply) return false;
  const auto& code = reply.error().code;
  return code == std::errc::connection_refused || code == std::errc::no_such_file_or_directory;
}

}  // namespace

asio::awaitable<Result<void>> end_predecessor(std::filesystem::path admin_socket,
                                              std::string_view mode) {
  const auto told = ask(admin_socket, fmt::format(R"({{"command":"end","successor":"{}"}})", mode));
  if (is_nobody_there(told)) co_return Result<void>{};
  if (!told) co_return told.error();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  asio::steady_timer pause{co_await asio::this_coro::executor};
  while (!is_nobody_there(ask(admin_socket, R"({"command":"status"})"))) {
    if (std::chrono::steady_clock::now() >= until) {
      co_return system_error(ETIMEDOUT, "the daemon behind " + admin_socket.string() + " stays");
    }
    pause.expires_after(kPause);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return Result<void>{};
}

}  // namespace proxy
