#include "tests/netns/rtnetlink.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <thread>

namespace netns {
namespace {

using proxy::Family;
using proxy::IpAddress;

constexpr std::size_t kNotificationSize = 32768;  // bytes; a link's can pass a page

// IF_OPER_UP of linux/if.h, which does not go together with net/if.h.
constexpr std::byte kOperationallyUp{6};

// A request under construction. The attribute functions of libmnl append to its buffer.
class Request {
 public:
  Request(std::uint16_t type, int flags) : header_{mnl_nlmsg_put_header(buffer_.data())} {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  template <class Extra>
  Extra& extra() {
    return *static_cast<Extra*>(mnl_nlmsg_put_extra_header(header_, sizeof(Extra)));
  }
  nlmsghdr& get() { return *header_; }

 private:
  alignas(NLMSG_ALIGNTO) std::array<std::byte, Rtnetlink::kMessageSize> buffer_{};
  nlmsghdr* header_;
};

std::uint8_t kernel_family(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

void put_address(nlmsghdr& message, std::uint16_t type, const IpAddress& address) {
  mnl_attr_put(&message, type, address.bytes().size(), address.bytes().data());
}

void put_mac(nlmsghdr& message, std::uint16_t type, const MacAddress& mac) {
  mnl_attr_put(&message, type, mac.size(), mac.data());
}

void put_end(nlmsghdr& message, const LinkEnd& end) {
  mnl_attr_put_strz(&message, IFLA_IFNAME, end.name.c_str());
  put_mac(message, IFLA_ADDRESS, end.mac);
}

// The payload of the message's first attribute of the type, behind a header of that size; empty
// when there is none. libmnl's loop over attributes is a macro that C++ does not take.
std::span<const std::byte> attribute(const nlmsghdr& message, std::size_t header,
                                     std::uint16_t type) {
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const auto* item = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, header));
  for (; mnl_attr_ok(item, static_cast<int>(end - reinterpret_cast<const char*>(item)));
       item = mnl_attr_next(item)) {
    if (mnl_attr_get_type(item) != type) continue;
    return {static_cast<const std::byte*>(mnl_attr_get_payload(item)),
            mnl_attr_get_payload_len(item)};
  }
  return {};
}

template <class Header>
const Header& header_of(const nlmsghdr& message) {
  return *static_cast<const Header*>(mnl_nlmsg_get_payload(&message));
}

bool delivers_to(const nlmsghdr& message, const IpAddress& address) {
  return message.nlmsg_type == RTM_NEWROUTE && header_of<rtmsg>(message).rtm_type == RTN_LOCAL &&
         std::ranges::equal(attribute(message, sizeof(rtmsg), RTA_DST), address.bytes());
}

bool runs(const nlmsghdr& message, int index) {
  if (message.nlmsg_type != RTM_NEWLINK || header_of<ifinfomsg>(message).ifi_index != index) {
    return false;
  }
  const auto state = attribute(message, sizeof(ifinfomsg), IFLA_OPERSTATE);
  return !state.empty() && state[0] == kOperationallyUp;
}

// Reads notifications until one is what is waited for.
template <class Wanted>
void await(mnl_socket* notifications, const std::string& what, Wanted is_wanted) {
  constexpr int kPatience = 5000;  // ms
  alignas(NLMSG_ALIGNTO) std::array<std::byte, kNotificationSize> buffer{};
  while (true) {
    pollfd ready{.fd = mnl_socket_get_fd(notifications), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, kPatience) == 0) throw LabError{"not in time: " + what};
    const auto size = mnl_socket_recvfrom(notifications, buffer.data(), buffer.size());
    if (size < 0) fail_with_errno(what);
    int left = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (is_wanted(*message)) return;
    }
  }
}

}  // namespace

Rtnetlink::Socket Rtnetlink::open(const NetworkNamespace& net, unsigned groups) {
  const Inside inside{net};
  Socket socket{mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)};
  if (!socket || mnl_socket_bind(socket.get(), groups, MNL_SOCKET_AUTOPID) != 0) {
    fail_with_errno("open rtnetlink");
  }
  return socket;
}

Rtnetlink::Rtnetlink(const NetworkNamespace& net) : net_{net}, socket_{open(net, 0)} {}

Rtnetlink::Reply Rtnetlink::ask(nlmsghdr& request, const std::string& what) {
  request.nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), &request, request.nlmsg_len) < 0) fail_with_errno(what);
  Reply reply;
  if (mnl_socket_recvfrom(socket_.get(), reply.bytes.data(), reply.bytes.size()) < 0) {
    fail_with_errno(what);
  }
  return reply;
}

void Rtnetlink::send(nlmsghdr& request, const std::string& what) {
  const auto reply = ask(request, what);
  const auto& message = reply.message();
  if (mnl_cb_run(&message, message.nlmsg_len, sequence_, mnl_socket_get_portid(socket_.get()),
                 nullptr, nullptr) < 0) {
    fail_with_errno(what);
  }
}

bool Rtnetlink::takes(const IpAddress& address) {
  Request request{RTM_GETROUTE, 0};
  request.get().nlmsg_flags = NLM_F_REQUEST;  // the route is answer enough
  auto& header = request.extra<rtmsg>();
  header.rtm_family = kernel_family(address.family());
  header.rtm_dst_len = proxy::address_bits(address.family());
  put_address(request.get(), RTA_DST, address);
  return delivers_to(ask(request.get(), "route to " + address.text()).message(), address);
}

int Rtnetlink::index_of(const std::string& device) const {
  const Inside inside{net_};
  const auto index = ::if_nametoindex(device.c_str());
  if (index == 0) fail_with_errno("device " + device);
  return static_cast<int>(index);
}

void Rtnetlink::add_bridge(const std::string& name) {
  Request request{RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL};
  auto& link = request.extra<ifinfomsg>();
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  mnl_attr_put_strz(&request.get(), IFLA_IFNAME, name.c_str());
  auto* info = mnl_attr_nest_start(&request.get(), IFLA_LINKINFO);
  mnl_attr_put_str(&request.get(), IFLA_INFO_KIND, "bridge");
  mnl_attr_nest_end(&request.get(), info);
  send(request.get(), "add bridge " + name);
}

void Rtnetlink::add_veth(const LinkEnd& here, const LinkEnd& there) {
  Request request{RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL};
  request.extra<ifinfomsg>();
  auto& message = request.get();
  put_end(message, here);
  auto* info = mnl_attr_nest_start(&message, IFLA_LINKINFO);
  mnl_attr_put_str(&message, IFLA_INFO_KIND, "veth");
  auto* data = mnl_attr_nest_start(&message, IFLA_INFO_DATA);
  auto* peer = mnl_attr_nest_start(&message, VETH_INFO_PEER);
  // The peer's own ifinfomsg stands before its attributes, inside the nest.
  static_cast<void>(mnl_nlmsg_put_extra_header(&message, sizeof(ifinfomsg)));
  put_end(message, there);
  mnl_attr_put_u32(&message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(there.net.fd()));
  mnl_attr_nest_end(&message, peer);
  mnl_attr_nest_end(&message, data);
  mnl_attr_nest_end(&message, info);
  send(message, "add veth " + here.name);
}

void Rtnetlink::bring_up(const std::string& device) {
  Request request{RTM_NEWLINK, 0};
  auto& link = request.extra<ifinfomsg>();
  link.ifi_index = index_of(device);
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  send(request.get(), "bring up " + device);
}

void Rtnetlink::connect(const std::string& device, Rtnetlink& there, const std::string& other_end) {
  // The end that comes up first finds no carrier. When there is one, the kernel activates it later,
  // and until then drops what is sent through it.
  const auto links = open(net_, RTMGRP_LINK);
  bring_up(device);
  there.bring_up(other_end);
  await(links.get(), device + " up",
        [index = index_of(device)](const nlmsghdr& message) { return runs(message, index); });
}

void Rtnetlink::enslave(const std::string& device, const std::string& bridge) {
  Request request{RTM_NEWLINK, 0};
  request.extra<ifinfomsg>().ifi_index = index_of(device);
  mnl_attr_put_u32(&request.get(), IFLA_MASTER, static_cast<std::uint32_t>(index_of(bridge)));
  send(request.get(), "attach " + device + " to " + bridge);
}

void Rtnetlink::add_address(const std::string& device, const IpAddress& address,
                            std::uint8_t prefix_length) {
  // The kernel acknowledges an IPv6 address before it has a route that delivers to it.
  const bool comes_later = address.family() == Family::v6;
  const auto routes = comes_later ? open(net_, RTMGRP_IPV6_ROUTE) : nullptr;
  Request request{RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL};
  auto& header = request.extra<ifaddrmsg>();
  header.ifa_family = kernel_family(address.family());
  header.ifa_prefixlen = prefix_length;
  header.ifa_scope = address.is_link_local() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header.ifa_index = static_cast<std::uint32_t>(index_of(device));
  if (comes_later) header.ifa_flags = IFA_F_NODAD;
  put_address(request.get(), IFA_LOCAL, address);
  put_address(request.get(), IFA_ADDRESS, address);
  send(request.get(), "add address " + address.text() + " to " + device);
  if (comes_later) {
    await(routes.get(), "local route to " + address.text(),
          [&](const nlmsghdr& message) { return delivers_to(message, address); });
    // The notification leaves a moment before lookups find the route (fib6_add_rt2node of
    // net/ipv6/ip6_fib.c); until then an unreachable route of the same prefix would answer.
    while (!takes(address)) std::this_thread::yield();
  }
}

void Rtnetlink::add_route(const Route& route) {
  Request request{RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL};
  auto& header = request.extra<rtmsg>();
  header.rtm_family = kernel_family(route.to.family());
  header.rtm_dst_len = route.to.length;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = RTN_UNICAST;
  header.rtm_scope = route.via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  if (route.via) header.rtm_flags = RTNH_F_ONLINK;
  put_address(request.get(), RTA_DST, route.to.address);
  mnl_attr_put_u32(&request.get(), RTA_OIF, static_cast<std::uint32_t>(index_of(route.device)));
  if (route.via) put_address(request.get(), RTA_GATEWAY, *route.via);
  send(request.get(), "add route to " + route.to.text());
}

void Rtnetlink::add_neighbour(const std::string& device, const IpAddress& address,
                              const MacAddress& mac) {
  Request request{RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE};
  auto& header = request.extra<ndmsg>();
  header.ndm_family = kernel_family(address.family());
  header.ndm_ifindex = index_of(device);
  header.ndm_state = NUD_PERMANENT;
  put_address(request.get(), NDA_DST, address);
  put_mac(request.get(), NDA_LLADDR, mac);
  send(request.get(), "add neighbour " + address.text());
}

}  // namespace netns
