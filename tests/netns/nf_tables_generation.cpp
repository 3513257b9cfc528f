#include "tests/netns/nf_tables_generation.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>

namespace netns {
namespace {

// Reads NFTA_GEN_ID (big-endian) of an NFT_MSG_NEWGEN; other messages and attributes are left
// alone.
int read_generation(const nlmsghdr* message, void* into) {
  mnl_attr_parse(
      message, sizeof(nfgenmsg),
      [](const nlattr* attribute, void* result) {
        if (mnl_attr_get_type(attribute) == NFTA_GEN_ID) {
          *static_cast<std::uint32_t*>(result) = ntohl(mnl_attr_get_u32(attribute));
        }
        return MNL_CB_OK;
      },
      into);
  return MNL_CB_OK;
}

}  // namespace

std::uint32_t nf_tables_generation(const NetworkNamespace& net) {
  const Inside inside{net};
  const std::unique_ptr<mnl_socket, decltype([](mnl_socket* s) { mnl_socket_close(s); })> socket{
      mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)};
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
    fail_with_errno("open nfnetlink");
  }
  alignas(NLMSG_ALIGNTO) std::array<std::byte, 4096> buffer{};
  auto* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
  request->nlmsg_flags = NLM_F_REQUEST;
  request->nlmsg_seq = 1;
  mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg));
  if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0) fail_with_errno("GETGEN");
  const auto size = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
  std::uint32_t generation = 0;
  if (size < 0 ||
      mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), 1,
                 mnl_socket_get_portid(socket.get()), read_generation, &generation) < 0) {
    fail_with_errno("GETGEN");
  }
  return generation;
}

}  // namespace netns
