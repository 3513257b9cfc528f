#include "modes/netfilter/node_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

namespace modes::netfilter {
namespace {

using proxy::Family;
using proxy::IpAddress;

std::optional<IpAddress> address_of(const sockaddr* from) {
  if (from == nullptr) return std::nullopt;
  if (from->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, from, sizeof(v4));
    return IpAddress::from_bytes(Family::v4, std::as_bytes(std::span{&v4.sin_addr, 1}));
  }
  if (from->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, from, sizeof(v6));
    return IpAddress::from_bytes(Family::v6, std::as_bytes(std::span{&v6.sin6_addr, 1}));
  }
  return std::nullopt;
}

}  // namespace

proxy::Result<NodeAddresses> NodeAddresses::open() {
  proxy::UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
  if (!fd) return proxy::system_error(errno, "open an rtnetlink socket");
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof(local)) != 0) {
    return proxy::system_error(errno, "listen for changes of this node's addresses");
  }
  return NodeAddresses{std::move(fd)};
}

proxy::Result<std::vector<IpAddress>> NodeAddresses::list() {
  ifaddrs* head = nullptr;
  if (::getifaddrs(&head) != 0) return proxy::system_error(errno, "list this node's addresses");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{head, &::freeifaddrs};
  std::vector<IpAddress> out;
  for (const auto* entry = head; entry != nullptr; entry = entry->ifa_next) {
    if (const auto address = address_of(entry->ifa_addr); address && !address->is_link_local()) {
      out.push_back(*address);
    }
  }
  std::ranges::sort(out);
  const auto tail = std::ranges::unique(out);
  out.erase(tail.begin(), tail.end());
  return out;
}

bool NodeAddresses::drain() {
  std::array<std::byte, 4096> scratch{};
  bool any = false;
  for (;;) {
    const auto size = ::recv(fd_.get(), scratch.data(), scratch.size(), MSG_TRUNC);
    if (size >= 0 || errno == ENOBUFS) {
      any = true;
    } else if (errno != EINTR) {
      return any;
    }
  }
}

}  // namespace modes::netfilter
