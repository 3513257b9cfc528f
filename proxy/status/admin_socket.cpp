#include "proxy/status/admin_socket.hpp"

#include "proxy/unique_fd.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace proxy::status {

namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

Error path_error(std::string_view what, const std::filesystem::path& path) {
  return system_error(errno, std::string{what} + " " + path.string());
}

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    return system_error(ENAMETOOLONG, "admin socket " + text);
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

Result<UniqueFd> unix_socket(const std::filesystem::path& path, int flags) {
  UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
  if (!fd) return path_error("socket for", path);
  return fd;
}

// connect(2) to `path`; fails with its errno.
Result<UniqueFd> connected(const std::filesystem::path& path, std::chrono::seconds time) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto fd = unix_socket(path, 0);
  if (!fd) return fd;
  const timeval limit{.tv_sec = time.count(), .tv_usec = 0};
  (void)::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  (void)::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return path_error("connect to", path);
  }
  return fd;
}

// Takes away the socket of a daemon that is no more.
Result<void> remove_stale(const std::filesystem::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return path_error("look at", path);
  }
  if (!S_ISSOCK(info.st_mode)) return system_error(EEXIST, path.string() + " is not a socket");
  const auto other = connected(path, std::chrono::seconds{1});
  if (other) {
    return system_error(EADDRINUSE, "another viaduct answers on " + path.string());
  }
  // Anything but "nobody listens" (no permission, a full backlog) may well be a living daemon.
  if (other.error().code != std::errc::connection_refused) return other.error();
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return path_error("remove", path);
  return {};
}

Result<UniqueFd> listening(const std::filesystem::path& path) {
  const auto address = address_of(path);
  if (!address) return address.error();
  const auto directory = path.parent_path();
  if (!directory.empty() && ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return path_error("make directory", directory);
  }
  if (const auto removed = remove_stale(path); !removed) return removed.error();
  auto fd = unix_socket(path, SOCK_NONBLOCK);
  if (!fd) return fd;
  // Before bind(2), which makes the file with the socket's own mode: never open for a moment.
  if (::fchmod(fd->get(), 0600) != 0) return path_error("chmod", path);
  if (::bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return path_error("bind", path);
  }
  if (::listen(fd->get(), SOMAXCONN) != 0) return path_error("listen on", path);
  return fd;
}

// A reply that may come later.
struct Awaited {
  explicit Awaited(const asio::any_io_executor& executor)
      : arrived{executor, asio::steady_timer::time_point::max()} {}

  std::optional<std::string> reply;
  asio::steady_timer arrived;  // never expires: cancelled when there is a reply
};

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
std::optional<FileIdentity> identity_of(const std::filesystem::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

}  // namespace

struct AdminSocket::Impl {
  Impl(asio::any_io_executor executor_, AdminCommands commands_, AdminLimits limits_)
      : executor{std::move(executor_)},
        commands{std::move(commands_)},
        limits{limits_},
        acceptor{executor} {}

  static asio::awaitable<void> accept(std::shared_ptr<Impl> self);
  static asio::awaitable<void> serve(std::shared_ptr<Impl> self,
                                     std::shared_ptr<stream_protocol::socket> socket,
                                     std::shared_ptr<asio::steady_timer> deadline);

  [[nodiscard]] std::shared_ptr<Awaited> answer(std::string_view received) const;

  asio::any_io_executor executor;
  AdminCommands commands;
  AdminLimits limits;
  stream_protocol::acceptor acceptor;
  std::filesystem::path path;
  std::optional<FileIdentity> identity;
  std::size_t open = 0;
  bool stopped = false;
};

asio::awaitable<void> AdminSocket::Impl::accept(std::shared_ptr<Impl> self) {
  asio::steady_timer pause{self->executor};
  while (!self->stopped) {
    auto [ec, accepted] = co_await self->acceptor.async_accept(kAwait);
    if (self->stopped || ec == asio::error::operation_aborted) break;
    if (ec) {
      pause.expires_after(std::chrono::milliseconds{100});
      co_await pause.async_wait(kAwait);
      continue;
    }
    if (self->open >= self->limits.connections) continue;  // closes it
    auto socket = std::make_shared<stream_protocol::socket>(std::move(accepted));
    auto deadline = std::make_shared<asio::steady_timer>(self->executor, self->limits.time);
    deadline->async_wait([socket](boost::system::error_code cancelled) {
      boost::system::error_code ignored;
      if (!cancelled) socket->close(ignored);
    });
    ++self->open;
    asio::co_spawn(self->executor, serve(self, socket, deadline),
                   [self, deadline](const std::exception_ptr&) {
                     deadline->cancel();
                     --self->open;
                   });
  }
}

asio::awaitable<void> AdminSocket::Impl::serve(std::shared_ptr<Impl> self,
                                               std::shared_ptr<stream_protocol::socket> socket,
                                               std::shared_ptr<asio::steady_timer>) {
  std::string received;
  std::array<char, 4096> chunk{};
  bool complete = false;
  while (!complete && received.size() <= self->limits.request_bytes) {
    const auto [ec, size] = co_await socket->async_read_some(asio::buffer(chunk), kAwait);
    received.append(chunk.data(), size);
    if (ec == asio::error::eof) break;
    if (ec) co_return;
    complete = is_complete_object(received);
  }
  if (self->stopped) co_return;
  const auto awaited = self->answer(received);
  if (!awaited->reply) co_await awaited->arrived.async_wait(kAwait);
  if (awaited->reply) {
    co_await asio::async_write(*socket, asio::buffer(*awaited->reply), kAwait);
  }
}

std::shared_ptr<Awaited> AdminSocket::Impl::answer(std::string_view received) const {
  const auto awaited = std::make_shared<Awaited>(executor);
  const auto take = [awaited](std::string reply) {
    awaited->reply = std::move(reply) + "\n";
    awaited->arrived.cancel();
  };
  if (received.size() > limits.request_bytes) {
    take(admin_error("request too large"));
  } else {
    answer_admin(commands, received, take);
  }
  return awaited;
}

AdminSocket::AdminSocket(asio::any_io_executor executor, AdminCommands commands, AdminLimits limits)
    : impl_{std::make_shared<Impl>(std::move(executor), std::move(commands), limits)} {}

AdminSocket::~AdminSocket() {
  stop();
}

Result<void> AdminSocket::listen(const std::filesystem::path& path) {
  auto fd = listening(path);
  if (!fd) return fd.error();
  boost::system::error_code ec;
  impl_->acceptor.assign(stream_protocol{}, fd->get(), ec);
  if (ec) return Error{ec, "admin socket " + path.string()};
  (void)fd->release();
  impl_->path = path;
  impl_->identity = identity_of(path);
  asio::co_spawn(impl_->executor, Impl::accept(impl_), [](const std::exception_ptr&) {});
  return {};
}

void AdminSocket::stop() {
  if (std::exchange(impl_->stopped, true)) return;
  // While we listen nobody takes the path; a moment after we have closed somebody may have it, and
  // with the very inode number that ours had.
  if (impl_->identity && identity_of(impl_->path) == impl_->identity) {
    (void)::unlink(impl_->path.c_str());
  }
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
}

Result<std::string> ask_admin(const std::filesystem::path& path, std::string_view request,
                              AdminLimits limits) {
  const auto fd = connected(path, limits.time);
  if (!fd) return fd.error();
  while (!request.empty()) {
    const auto sent = ::send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (sent < 0) return path_error("send to", path);
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
  (void)::shutdown(fd->get(), SHUT_WR);
  std::string reply;
  std::array<char, 4096> chunk{};
  while (true) {
    const auto size = ::recv(fd->get(), chunk.data(), chunk.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return path_error("reply of", path);
    if (size == 0) return reply;
    reply.append(chunk.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace proxy::status
