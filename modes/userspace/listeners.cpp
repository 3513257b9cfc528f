#include "modes/userspace/listeners.hpp"

#include "modes/userspace/tcp/tcp_socket.hpp"
#include "modes/userspace/udp/udp_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace modes::userspace {
namespace {

using proxy::UniqueFd;

proxy::Result<UniqueFd> shared(const UniqueFd& fd) {
  UniqueFd another{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)};
  if (!another) return proxy::system_error(errno, "duplicate a listening socket");
  return another;
}

proxy::Result<UniqueFd> open_at(const Listener& like, const Vip& at, InheritedSockets& inherited) {
  const bool tcp = at.protocol == Protocol::tcp;
  if (like.steered) {
    return tcp ? tcp::listen_at(at.address, at.port) : udp::listen_steered(like.family, at.port);
  }
  auto old = inherited.take(at);
  if (!old) return tcp ? tcp::listen_at(at.address, at.port) : udp::listen_at(at.address, at.port);
  const auto done =
      tcp ? tcp::prepare_inherited(old->get()) : udp::prepare_inherited(old->get(), like.family);
  if (!done) return done.error();
  return std::move(*old);
}

// A listener like `like` at `at` for each worker; returns the port, which is a free one if none
// was asked for.
proxy::Result<Port> open_everywhere(const Listener& like, Vip at, InheritedSockets& inherited,
                                    ListenersOfWorkers& out) {
  std::vector<UniqueFd> fds;
  while (fds.size() < out.size()) {
    const bool shares = at.protocol == Protocol::tcp && !fds.empty();
    auto fd = shares ? shared(fds.front()) : open_at(like, at, inherited);
    if (!fd) return within("listen at " + at.text(), fd.error());
    fds.push_back(std::move(*fd));
    const auto port = tcp::local_port(fds.back().get());
    if (!port) return port.error();
    at.port = *port;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].push_back({.fd = std::move(fds[i]),
                      .protocol = at.protocol,
                      .family = like.family,
                      .entrance = like.entrance,
                      .steered = like.steered,
                      .address = like.address,
                      .port = like.port});
  }
  return at.port;
}

}  // namespace

std::optional<UniqueFd> InheritedSockets::take(const Vip& place) {
  const auto it = std::ranges::find_if(fds_, [&](const UniqueFd& fd) {
    const auto at = tcp::local_address(fd.get());
    int type = 0;
    socklen_t size = sizeof(type);
    if (!at || ::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) return false;
    return at->address == place.address && at->port == place.port &&
           type == (place.protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM);
  });
  if (it == fds_.end()) return std::nullopt;
  auto taken = std::move(*it);
  fds_.erase(it);
  return taken;
}

bool has_family(Family family) {
  const proxy::UniqueFd probe{
      ::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  return static_cast<bool>(probe);
}

proxy::Result<ListenersOfWorkers> open_steered_listeners(
    std::size_t workers, std::array<steering::Ports, proxy::kFamilies.size()>& ports) {
  ListenersOfWorkers out(workers);
  InheritedSockets none;
  for (const auto family : proxy::kFamilies) {
    if (!has_family(family)) continue;
    auto& of_family = ports.at(static_cast<std::size_t>(family));
    const auto any = IpAddress::any(family);
    for (std::size_t i = 0; i < kEntrances; ++i) {
      Listener like{.family = family, .entrance = static_cast<Entrance>(i)};
      const auto tcp = open_everywhere(like, {any, Port{0}, Protocol::tcp}, none, out);
      if (!tcp) return tcp.error();
      of_family.tcp.at(i) = *tcp;
      const auto udp = open_everywhere(like, {any, Port{0}, Protocol::udp}, none, out);
      if (!udp) return udp.error();
      of_family.udp.at(i) = *udp;
    }
  }
  return out;
}

proxy::Result<void> listen_directly(const Vip& place, InheritedSockets& inherited,
                                    ListenersOfWorkers& out) {
  const Listener like{.family = place.address.family(),
                      .entrance = Entrance::inside,
                      .steered = false,
                      .address = place.address,
                      .port = place.port};
  const auto done = open_everywhere(like, place, inherited, out);
  if (!done) return done.error();
  return {};
}

}  // namespace modes::userspace
