// Links, addresses, routes and neighbours of one namespace, over rtnetlink (rtnetlink(7)).
//
// Every call sends one request and waits for the kernel's acknowledgement; all throw LabError.
#pragma once

#include "proxy/ip_address.hpp"
#include "tests/netns/network_namespace.hpp"

#include <libmnl/libmnl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace netns {

using MacAddress = std::array<std::uint8_t, 6>;

struct LinkEnd {
  std::string name;
  const NetworkNamespace& net;
  MacAddress mac;
};

struct Route {
  proxy::IpPrefix to;
  std::string device;
  std::optional<proxy::IpAddress> via = std::nullopt;  // absent: directly on the device
};

class Rtnetlink {
 public:
  static constexpr std::size_t kMessageSize =
      4096;  // bytes; the longest message here has about 300

  explicit Rtnetlink(const NetworkNamespace& net);

  void add_bridge(const std::string& name);  // and brings it up
  // A pair of virtual Ethernet devices, one here and one in `there`; both still down.
  void add_veth(const LinkEnd& here, const LinkEnd& there);
  // Brings both ends of a pair up and waits until the kernel passes packets between them.
  void connect(const std::string& device, Rtnetlink& there, const std::string& other_end);
  void enslave(const std::string& device, const std::string& bridge);
  // Without duplicate address detection: packets to it are taken from now on.
  void add_address(const std::string& device, const proxy::IpAddress& address,
                   std::uint8_t prefix_length);
  // A gateway counts as reachable on the device whatever its addresses are ("onlink").
  void add_route(const Route& route);
  void add_neighbour(const std::string& device, const proxy::IpAddress& address,
                     const MacAddress& mac);

 private:
  struct Reply {
    alignas(NLMSG_ALIGNTO) std::array<std::byte, kMessageSize> bytes{};
    [[nodiscard]] const nlmsghdr& message() const {
      return *reinterpret_cast<const nlmsghdr*>(bytes.data());
    }
  };
  Reply ask(nlmsghdr& request, const std::string& what);  // the first message of the answer
  void send(nlmsghdr& request, const std::string& what);  // and expects nothing but "done"
  // Whether a packet to the address that came to this namespace now would be delivered.
  [[nodiscard]] bool takes(const proxy::IpAddress& address);
  [[nodiscard]] int index_of(const std::string& device) const;

  struct Close {
    void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
  };
  using Socket = std::unique_ptr<mnl_socket, Close>;
  [[nodiscard]] static Socket open(const NetworkNamespace& net, unsigned groups);
  void bring_up(const std::string& device);

  const NetworkNamespace& net_;
  Socket socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace netns
