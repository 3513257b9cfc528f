#include "modes/ipvs/vip_link.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <optional>

namespace modes::ipvs {
namespace {

using proxy::Family;

constexpr std::size_t kAddressesAtOnce = 512;
constexpr std::array kGroups{RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_LINK};

struct PutLink {
  void operator()(rtnl_link* link) const noexcept { rtnl_link_put(link); }
};
using Link = std::unique_ptr<rtnl_link, PutLink>;
struct PutAddress {
  void operator()(rtnl_addr* address) const noexcept { rtnl_addr_put(address); }
};
using Address = std::unique_ptr<rtnl_addr, PutAddress>;
struct PutNlAddress {
  void operator()(nl_addr* address) const noexcept { nl_addr_put(address); }
};
using NlAddress = std::unique_ptr<nl_addr, PutNlAddress>;

// The message that adds `ip` to the link with this index, or takes it away.
Result<NlMessage> message_for(const IpAddress& ip, int index, bool add, int flags) {
  const bool v4 = ip.family() == Family::v4;
  NlAddress local{nl_addr_build(v4 ? AF_INET : AF_INET6, ip.bytes().data(), ip.bytes().size())};
  Address address{rtnl_addr_alloc()};
  if (!local || !address) return proxy::system_error(ENOMEM, "address of kube-ipvs0");
  nl_addr_set_prefixlen(local.get(), proxy::address_bits(ip.family()));
  rtnl_addr_set_ifindex(address.get(), index);
  rtnl_addr_set_local(address.get(), local.get());
  // The kernel must never choose a VIP as the source of what the node itself sends, or masquerades:
  // IPv4 asks for the scope, IPv6 avoids what is deprecated (RFC 6724 §5 rule 3).
  rtnl_addr_set_scope(address.get(), v4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE);
  if (!v4 && add) {
    // Nobody else can hear of it there, so there is nothing to wait for.
    rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
    rtnl_addr_set_valid_lifetime(address.get(), std::numeric_limits<std::uint32_t>::max());
    rtnl_addr_set_preferred_lifetime(address.get(), 0);
  }
  nl_msg* message = nullptr;
  const int error = add ? rtnl_addr_build_add_request(address.get(), NLM_F_CREATE | flags, &message)
                        : rtnl_addr_build_delete_request(address.get(), flags, &message);
  if (error < 0) return libnl_error(error, "address " + ip.text() + " of kube-ipvs0");
  return NlMessage{message};
}

struct AddressMessage {
  int index = 0;
  IpAddress ip;
};
std::optional<AddressMessage> parse_address(nlmsghdr* message) {
  std::array<nlattr*, IFA_MAX + 1> attributes{};
  if (nlmsg_parse(message, sizeof(ifaddrmsg), attributes.data(), IFA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* header = static_cast<const ifaddrmsg*>(nlmsg_data(message));
  if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) return std::nullopt;
  const auto family = header->ifa_family == AF_INET ? Family::v4 : Family::v6;
  // On a point-to-point link IFA_ADDRESS is the other end's.
  auto* value = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  const auto size = proxy::address_size(family);
  if (value == nullptr || nla_len(value) < static_cast<int>(size)) return std::nullopt;
  return AddressMessage{
      static_cast<int>(header->ifa_index),
      IpAddress::from_bytes(
          family, std::as_bytes(std::span{static_cast<const char*>(nla_data(value)), size}))};
}

bool counts_as_node_address(const IpAddress& ip) {
  return ip.family() == Family::v4 || !ip.is_link_local();
}

}  // namespace

Result<VipLink> VipLink::open() {
  auto requests = LibnlSocket::open(NETLINK_ROUTE);
  if (!requests) return requests.error();
  auto monitor = LibnlSocket::open(NETLINK_ROUTE);
  if (!monitor) return monitor.error();
  for (const int group : kGroups) {
    if (const int error = nl_socket_add_membership(monitor->get(), group); error < 0) {
      return libnl_error(error, "listen for changes of links and addresses");
    }
  }
  return VipLink{std::move(*requests), std::move(*monitor)};
}

Result<void> VipLink::ensure() {
  index_ = static_cast<int>(::if_nametoindex(kVipLink));
  if (index_ != 0) return {};
  // libnl waits for the answer, and counts its sequence numbers on a socket of its own.
  auto socket = LibnlSocket::open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  const Link link{rtnl_link_alloc()};
  if (!link) return proxy::system_error(ENOMEM, "make the link kube-ipvs0");
  rtnl_link_set_name(link.get(), kVipLink);
  if (const int error = rtnl_link_set_type(link.get(), "dummy"); error < 0) {
    return libnl_error(error, "make the link kube-ipvs0");
  }
  if (const int error = rtnl_link_add(socket->get(), link.get(), NLM_F_CREATE | NLM_F_EXCL);
      error < 0 && error != -NLE_EXIST) {
    return libnl_error(error, "make the dummy link kube-ipvs0 (kernel module dummy)");
  }
  index_ = static_cast<int>(::if_nametoindex(kVipLink));
  if (index_ == 0) return proxy::system_error(ENODEV, "make the link kube-ipvs0");
  return {};
}

Result<MachineAddresses> VipLink::addresses() {
  NlMessage request{nlmsg_alloc_simple(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP)};
  const ifaddrmsg any{};
  if (!request ||
      nlmsg_append(request.get(), const_cast<ifaddrmsg*>(&any), sizeof(any), NLMSG_ALIGNTO) < 0) {
    return proxy::system_error(ENOMEM, "list this machine's addresses");
  }
  nlmsg_hdr(request.get())->nlmsg_seq = requests_.take_sequence();
  std::vector<std::byte> bytes;
  append_message(request.get(), bytes);
  MachineAddresses out;
  const auto listed = requests_.dump(bytes, [&](nlmsghdr* message) {
    const auto address = parse_address(message);
    if (!address) return;
    if (index_ != 0 && address->index == index_) {
      // The kernel gives a link that is set up an address by itself.
      if (counts_as_node_address(address->ip)) out.vips.insert(address->ip);
    } else if (counts_as_node_address(address->ip)) {
      out.others.push_back(address->ip);
    }
  });
  if (!listed) return within("list this machine's addresses", listed.error());
  std::ranges::sort(out.others);
  const auto tail = std::ranges::unique(out.others);
  out.others.erase(tail.begin(), tail.end());
  return out;
}

Result<void> VipLink::change(std::span<const IpAddress> remove, std::span<const IpAddress> add) {
  if (auto removed = send(remove, false); !removed) return removed;
  return send(add, true);
}

Result<void> VipLink::send(std::span<const IpAddress> addresses, bool add) {
  while (!addresses.empty()) {
    const auto part = addresses.first(std::min(addresses.size(), kAddressesAtOnce));
    addresses = addresses.subspan(part.size());
    std::vector<std::byte> datagram;
    const auto first = requests_.take_sequence(part.size());
    auto sequence = first;
    for (const auto& ip : part) {
      auto message = message_for(ip, index_, add, &ip == &part.back() ? NLM_F_ACK : 0);
      if (!message) return message.error();
      nlmsg_hdr(message->get())->nlmsg_seq = sequence++;
      nlmsg_hdr(message->get())->nlmsg_flags |= NLM_F_REQUEST;
      append_message(message->get(), datagram);
      if (!add) removed_by_us_.insert(ip);
    }
    const auto refused = requests_.transact(datagram, first, part.size());
    if (!refused) return within("change the addresses of kube-ipvs0", refused.error());
    for (const auto& [index, error, text] : *refused) {
      if (!add) removed_by_us_.erase(part[index]);
      if (error == (add ? EEXIST : EADDRNOTAVAIL)) continue;
      return proxy::system_error(error, std::string{add ? "put " : "take "} + part[index].text() +
                                            (add ? " on" : " from") + " kube-ipvs0");
    }
  }
  return {};
}

Result<bool> VipLink::remove() {
  const auto index = static_cast<int>(::if_nametoindex(kVipLink));
  if (index == 0) return false;
  auto socket = LibnlSocket::open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  const Link link{rtnl_link_alloc()};
  if (!link) return proxy::system_error(ENOMEM, "remove the link kube-ipvs0");
  rtnl_link_set_ifindex(link.get(), index);
  if (const int error = rtnl_link_delete(socket->get(), link.get()); error < 0) {
    return libnl_error(error, "remove the link kube-ipvs0");
  }
  index_ = 0;
  return true;
}

VipLink::News VipLink::news() {
  News out;
  for (;;) {
    const auto datagram = monitor_.receive();
    if (!datagram) {
      // What was lost may have been about anything.
      out = {.node_addresses = true, .vips = true};
      removed_by_us_.clear();
      if (datagram.error().code == std::errc::no_buffer_space) continue;
      return out;
    }
    if (datagram->empty()) break;
    for_each_nl_message(*datagram, [&](nlmsghdr* message) { read_news(message, out); });
  }
  return out;
}

void VipLink::read_news(nlmsghdr* message, News& into) {
  if (message->nlmsg_type == RTM_DELLINK) {
    const auto* link = static_cast<const ifinfomsg*>(nlmsg_data(message));
    into.vips = into.vips || (index_ != 0 && link->ifi_index == index_);
    return;
  }
  if (message->nlmsg_type != RTM_NEWADDR && message->nlmsg_type != RTM_DELADDR) return;
  const auto address = parse_address(message);
  if (!address) return;
  if (index_ == 0 || address->index != index_) {
    into.node_addresses = into.node_addresses || counts_as_node_address(address->ip);
    return;
  }
  if (message->nlmsg_type == RTM_NEWADDR) return;
  const auto ours = removed_by_us_.find(address->ip);
  if (ours != removed_by_us_.end()) {
    removed_by_us_.erase(ours);
  } else {
    into.vips = true;
  }
}

}  // namespace modes::ipvs
