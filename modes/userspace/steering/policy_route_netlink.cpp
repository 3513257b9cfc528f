#include "modes/userspace/steering/policy_route_netlink.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/userspace/settings.hpp"
#include "proxy/unique_fd.hpp"

#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace modes::userspace::steering {
namespace {

using netfilter::AttributeWriter;
using proxy::Result;

constexpr std::uint32_t kRoutingTable = 30308;  // "vd"
constexpr std::uint8_t kRouteProtocol = 118;    // "v"
// Before the rules that container networks have for their pods' addresses (512 and more).
constexpr std::uint32_t kRulePriority = 90;

template <class Header>
std::vector<std::byte> request(int type, int flags, const Header& header) {
  nlmsghdr message{};
  message.nlmsg_type = static_cast<__u16>(type);
  message.nlmsg_flags = static_cast<__u16>(NLM_F_REQUEST | NLM_F_ACK | flags);
  std::vector<std::byte> out(sizeof(message) + sizeof(header));
  std::memcpy(out.data(), &message, sizeof(message));
  std::memcpy(out.data() + sizeof(message), &header, sizeof(header));
  return out;
}

// The errno of the answer, 0 for success.
Result<int> ask(std::vector<std::byte> message) {
  const auto length = static_cast<std::uint32_t>(message.size());
  std::memcpy(message.data(), &length, sizeof(length));
  const proxy::UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!fd) return proxy::system_error(errno, "open an rtnetlink socket");
  if (::send(fd.get(), message.data(), message.size(), 0) < 0) {
    return proxy::system_error(errno, "send to rtnetlink");
  }
  // rtnetlink has done its work, and answered, when send() returns.
  std::array<std::byte, 4096> answer{};
  const auto size = ::recv(fd.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  if (size < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(int))) {
    return proxy::system_error(EPROTO, "rtnetlink does not answer");
  }
  int error = 0;
  std::memcpy(&error, answer.data() + sizeof(nlmsghdr), sizeof(error));
  return -error;
}

std::uint8_t address_family(proxy::Family family) {
  return family == proxy::Family::v4 ? AF_INET : AF_INET6;
}

Result<int> change_rule(int type, int flags, proxy::Family family) {
  fib_rule_hdr header{};
  header.family = address_family(family);
  header.table = RT_TABLE_UNSPEC;
  header.action = FR_ACT_TO_TBL;
  auto message = request(type, flags, header);
  AttributeWriter out{message};
  out.put_struct(FRA_PRIORITY, kRulePriority);
  out.put_struct(FRA_FWMARK, kSteeredMark);
  out.put_struct(FRA_FWMASK, kSteeredMark);
  out.put_struct(FRA_TABLE, kRoutingTable);
  out.put_struct(FRA_PROTOCOL, kRouteProtocol);
  return ask(std::move(message));
}

Result<int> change_route(int type, int flags, proxy::Family family) {
  rtmsg header{};
  header.rtm_family = address_family(family);
  header.rtm_table = RT_TABLE_UNSPEC;
  header.rtm_protocol = kRouteProtocol;
  header.rtm_scope = RT_SCOPE_HOST;
  header.rtm_type = RTN_LOCAL;
  auto message = request(type, flags, header);
  AttributeWriter out{message};
  out.put_struct(RTA_TABLE, kRoutingTable);
  out.put_struct(RTA_OIF, ::if_nametoindex("lo"));
  return ask(std::move(message));
}

Result<void> done(const Result<int>& answer, std::initializer_list<int> fine, const char* what) {
  if (!answer) return within(what, answer.error());
  for (const int error : fine) {
    if (*answer == error) return {};
  }
  return proxy::system_error(*answer, what);
}

}  // namespace

Result<void> add_policy_route(proxy::Family family) {
  if (auto added = done(change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, family),
                        {0, EEXIST}, "add the route that delivers steered packets");
      !added) {
    return added;
  }
  return done(change_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, family), {0, EEXIST},
              "add the rule that delivers steered packets");
}

Result<void> remove_policy_route(proxy::Family family) {
  const auto rule = done(change_rule(RTM_DELRULE, 0, family), {0, ENOENT, EAFNOSUPPORT},
                         "remove the rule that delivered steered packets");
  const auto route = done(change_route(RTM_DELROUTE, 0, family), {0, ESRCH, EAFNOSUPPORT},
                          "remove the route that delivered steered packets");
  return rule ? route : rule;
}

}  // namespace modes::userspace::steering
