#include "tests/netns/http.hpp"

#include "proxy/unique_fd.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstdlib>

namespace netns {
namespace {

proxy::UniqueFd connect_to(const NetworkNamespace& net, const SocketAddress& server) {
  const Inside inside{net};
  proxy::UniqueFd fd{::socket(address_family(server.ip.family()), SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!fd) fail_with_errno("socket");
  const timeval limit{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const auto to = to_kernel(server);
  if (::connect(fd.get(), to.get(), to.length) != 0) return {};
  return fd;
}

}  // namespace

HttpReply http_get(const NetworkNamespace& net, const SocketAddress& server,
                   const std::string& path) {
  const auto fd = connect_to(net, server);
  if (!fd) return {};
  const auto request =
      "GET " + path + " HTTP/1.1\r\nHost: " + server.text() + "\r\nConnection: close\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  HttpReply reply;
  std::array<char, 4096> buffer;
  while (true) {
    const auto size = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (size <= 0) break;
    reply.text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  constexpr std::size_t kStatusAt = 9;  // behind "HTTP/1.1 "
  if (reply.text.starts_with("HTTP/1.") && reply.text.size() > kStatusAt) {
    reply.status = std::atoi(reply.text.c_str() + kStatusAt);
  }
  return reply;
}

}  // namespace netns
