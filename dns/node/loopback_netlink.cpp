#include "dns/node/loopback_netlink.hpp"

#include "modes/netfilter/attributes.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"
#include "proxy/unique_fd.hpp"

#include <net/if.h>

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace dns::node {

namespace {

using proxy::Family;
using proxy::Result;
using proxy::system_error;

// linux/netlink.h struct nlmsghdr, linux/if_addr.h struct ifaddrmsg, and their attributes.
std::vector<std::byte> request(int type, int flags, const proxy::IpAddress& address) {
  const bool v4 = address.family() == Family::v4;
  nlmsghdr header{};
  header.nlmsg_type = static_cast<__u16>(type);
  header.nlmsg_flags = static_cast<__u16>(NLM_F_REQUEST | NLM_F_ACK | flags);
  header.nlmsg_seq = 1;
  ifaddrmsg body{};
  body.ifa_family = v4 ? AF_INET : AF_INET6;
  body.ifa_prefixlen = v4 ? 32 : 128;
  body.ifa_scope = RT_SCOPE_HOST;  // never chosen as a source for somewhere else
  body.ifa_index = if_nametoindex("lo");
  std::vector<std::byte> out(sizeof header + sizeof body);
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + sizeof header, &body, sizeof body);
  modes::netfilter::AttributeWriter attributes{out};
  attributes.put(IFA_LOCAL, address.bytes());
  attributes.put(IFA_ADDRESS, address.bytes());
  // Usable at once: nobody else has it on this link.
  if (!v4) attributes.put_struct(IFA_FLAGS, std::uint32_t{IFA_F_NODAD | IFA_F_PERMANENT});
  modes::netfilter::close_message(out, 0);
  return out;
}

// The errno of the kernel's acknowledgement, 0 for success.
Result<int> ask_kernel(const std::vector<std::byte>& message, const std::string& what) {
  const proxy::UniqueFd fd{socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!fd) return system_error(errno, what);
  if (send(fd.get(), message.data(), message.size(), 0) < 0) return system_error(errno, what);
  std::array<std::byte, 4096> buffer;
  const auto size = recv(fd.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) return system_error(errno, what);
  std::optional<modes::netfilter::Acknowledgement> answer;
  modes::netfilter::for_each_message(
      std::span{buffer}.first(static_cast<std::size_t>(size)),
      [&](const auto& reply) { answer = modes::netfilter::parse_acknowledgement(reply); });
  if (!answer) return system_error(EPROTO, what);
  return answer->error;
}

Result<bool> change(int type, int flags, const proxy::IpAddress& address, int already,
                    const char* verb) {
  const std::string what = std::string{verb} + address.text();
  const auto error = ask_kernel(request(type, flags, address), what);
  if (!error) return error.error();
  if (*error == 0 || *error == already) return *error == 0;
  return system_error(*error, what);
}

}  // namespace

Result<bool> add_to_loopback(const proxy::IpAddress& address) {
  return change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address, EEXIST, "add to lo: ");
}

Result<bool> remove_from_loopback(const proxy::IpAddress& address) {
  return change(RTM_DELADDR, 0, address, EADDRNOTAVAIL, "remove from lo: ");
}

}  // namespace dns::node
