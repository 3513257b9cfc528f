#include "modes/userspace/listeners.hpp"

#include "modes/userspace/tcp/tcp_socket.hpp"
#include "modes/userspace/udp/udp_socket.hpp"

#include <sys/socket.h>

namespace modes::userspace {

bool has_family(Family family) {
  const proxy::UniqueFd probe{
      ::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  return static_cast<bool>(probe);
}

proxy::Result<std::vector<Listener>> open_steered_listeners(
    std::array<steering::Ports, proxy::kFamilies.size()>& ports) {
  std::vector<Listener> out;
  for (const auto family : proxy::kFamilies) {
    if (!has_family(family)) continue;
    auto& of_family = ports.at(static_cast<std::size_t>(family));
    const auto any = IpAddress::any(family);
    for (std::size_t i = 0; i < kEntrances; ++i) {
      auto tcp = tcp::listen_at(any, of_family.tcp.at(i));
      if (!tcp) return within("listen for TCP", tcp.error());
      auto udp = udp::listen_steered(family, of_family.udp.at(i));
      if (!udp) return within("listen for UDP", udp.error());
      const auto tcp_port = tcp::local_port(tcp->get());
      const auto udp_port = tcp::local_port(udp->get());
      if (!tcp_port) return tcp_port.error();
      if (!udp_port) return udp_port.error();
      of_family.tcp.at(i) = *tcp_port;
      of_family.udp.at(i) = *udp_port;
      const auto entrance = static_cast<Entrance>(i);
      out.push_back({std::move(*tcp), Protocol::tcp, family, entrance, true});
      out.push_back({std::move(*udp), Protocol::udp, family, entrance, true});
    }
  }
  return out;
}

}  // namespace modes::userspace
